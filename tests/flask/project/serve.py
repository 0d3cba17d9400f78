"""``python serve.py``: the depot as many start it while they write it."""

import os

if __name__ == "__main__":
    from depot.main import app

    app.run(port=int(os.environ["PORT"]), debug=True)
