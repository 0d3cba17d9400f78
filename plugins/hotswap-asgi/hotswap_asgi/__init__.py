"""FastAPI and Starlette under hotswap: uvicorn serves a saved change from the process that runs.

``hotswap run -m uvicorn shop:app`` finds :mod:`hotswap_asgi.plugin` by its entry point. Importing this package imports nothing of
the frameworks.
"""
