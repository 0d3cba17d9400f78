"""Django under hotswap: ``runserver`` swaps a saved change into the running process instead of restarting it.

Two ways in: ``hotswap run manage.py runserver`` finds :mod:`hotswap_django.plugin` by its entry point; plain ``runserver``
finds :mod:`hotswap_django.apps` in ``INSTALLED_APPS``. Importing this package imports nothing of Django.
"""
