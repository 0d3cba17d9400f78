"""A live stock feed: one thread that counts for as long as the process lives."""

import threading

INTERVAL = 0.05  # seconds between two deliveries


def next_level(level):
    """How many pieces are there after one more tick."""
    return 20 if level <= 1 else level - 1


class StockFeed:
    """Levels per slug, moved on by a thread of its own."""

    def __init__(self):
        self.ticks = 0
        self.levels = {}
        self._stop = threading.Event()
        self._thread = None

    def start(self):
        if self._thread is None:
            self._thread = threading.Thread(target=self.run, name="stock-feed", daemon=True)
            self._thread.start()

    def run(self):
        while not self._stop.wait(INTERVAL):
            self.tick()

    def tick(self):
        self.ticks += 1
        for slug, level in list(self.levels.items()):
            self.levels[slug] = next_level(level)

    def level(self, slug):
        return self.levels.setdefault(slug, 20)


feed = StockFeed()
