"""What the server calls. It is imported only where requests are served, so the stock feed starts here."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shopsite.settings")
application = get_wsgi_application()

from shop.stock import feed  # noqa: E402  (the applications have to be loaded first)

feed.start()
