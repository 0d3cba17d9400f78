"""The same with one line for hotswap, in front of the program's own modules."""

import os

import hotswap_flask

hotswap_flask.start()

from depot.main import app  # noqa: E402

if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]), debug=True)
