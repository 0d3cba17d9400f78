"""Flask under hotswap: the development server swaps a saved change into the running process instead of restarting it.

Two ways in: ``hotswap run -m flask run`` finds :mod:`hotswap_flask.plugin` by its entry point and needs nothing in the project;
:func:`start` in the program makes plain ``flask --debug run`` and ``app.run(debug=True)`` swap. Importing this package imports
nothing of Flask.
"""

from hotswap_flask.starting import start

__all__ = ["start"]
