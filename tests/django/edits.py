# ruff: noqa: E501  (passages of files stand as they do there)
"""What a person edits in the bakery, in the order in which the tests save it: file, old, new; then what a page shows."""

from __future__ import annotations

import attrs


@attrs.frozen
class Save:
    """One save of one or more files, and how one sees that it is live.

    Attributes:
        name: of the kind of edit.
        changes: file, passage, what stands there afterwards; an empty passage is a new file.
        path: a page.
        shows: what it shows as soon as the save is live.
    """

    name: str
    changes: tuple[tuple[str, str, str], ...]
    path: str
    shows: str


def save(name: str, *changes: tuple[str, str, str], path: str, shows: str) -> Save:
    return Save(name, changes, path, shows)


RECEIVER = """@receiver(post_save, sender=Oven)
def note_second(sender, instance, **kwargs):
    BAKED.append("second")
"""
OVENS = """@admin.register(Oven, site=office)
class OvenAdmin(admin.ModelAdmin):
    def has_view_permission(self, request, obj=None):
        return True


@admin.register(Loaf"""
VIEW = """def extra(request):
    return HttpResponse("extra page")


def old("""

SAVES = (
    # ---- views and addresses ----
    save("view class", ("bakery/views.py", 'title="On the shelf"', 'title="Fresh today"'), path="/", shows="Fresh today"),
    save("view function", ("bakery/views.py", '"old {name}"', '"very old {name}"'), path="/old/rye/", shows="very old rye"),
    save("async view", ("bakery/views.py", '"async 1"', '"async 2"'), path="/async/", shows="async 2"),
    save("attribute of a view class", ("bakery/views.py", "    model = Loaf\n    template", "    model = Loaf\n    ordering = '-name'\n    template"),
         path="/", shows="<li>crusty Spelt, 500 g</li><li>crusty Rye"),
    save("new view and its address", ("bakery/views.py", "def old(", VIEW),
         ("bakery/urls.py", "urlpatterns = [", 'urlpatterns = [\n    path("extra/", views.extra, name="extra"),'),
         path="/extra/", shows="extra page"),
    save("address", ("bakery/urls.py", 'path("api/"', 'path("interface/"'), path="/links/", shows="/ /interface/pieces/"),
    save("address in a namespace", ("bakery/urls.py", 'path("pieces/"', 'path("parts/"'), path="/interface/parts/", shows="pieces /interface"),
    save("address of an include", ("bakery_site/urls.py", 'path("office/"', 'path("bureau/"'), path="/bureau/", shows="Office"),
    save("address of an include again", ("bakery_site/urls.py", 'path("bureau/"', 'path("office/"'), path="/office/", shows="Office"),
    save("converter's method", ("bakery/converters.py", "return int(value)", "return int(value) * 10"),
         path="/heavier/7/", shows="heavier than 70"),
    save("converter's expression", ("bakery/converters.py", '"[0-9]+"', '"[0-9]+g?"'),
         ("bakery/converters.py", "int(value) *", "int(value.strip('g')) *"), path="/heavier/8g/", shows="heavier than 80"),
    # ---- templates ----
    save("template", ("bakery/templates/bakery/base.html", "<title>Bakery", "<title>The bakery"), path="/", shows="<title>The bakery"),
    save("new template", ("bakery/templates/bakery/sign.html", "", "<p>included</p>"),
         ("bakery/templates/bakery/shelf.html", "<ul>", '{% include "bakery/sign.html" %}<ul>'), path="/", shows="<p>included</p>"),
    save("filter", ("bakery/templatetags/bakery_tags.py", '"crusty {text}"', '"very crusty {text}"'), path="/", shows="very crusty Rye"),
    save("options of a tag", ("bakery/templatetags/bakery_tags.py", "@register.simple_tag\ndef sign():\n    return \"signed\"",
                              "@register.simple_tag(takes_context=True)\ndef sign(context):\n    return f\"signed by {context['heavy']}\""),
         path="/", shows="signed by 1"),
    save("new filter", ("bakery/templatetags/bakery_tags.py", "@register.filter", "@register.filter\ndef soft(text):\n    return f\"soft {text}\"\n\n\n@register.filter"),
         ("bakery/templates/bakery/shelf.html", "|crusty", "|soft"), path="/", shows="soft Rye"),
    save("new library of tags", ("bakery/templatetags/more_tags.py", "", "from django import template\n\nregister = template.Library()\n\n\n"
                                 "@register.simple_tag\ndef more():\n    return 'more'\n"),
         ("bakery/templates/bakery/base.html", "<h1>", "{% load more_tags %}<i>{% more %}</i><h1>"), path="/", shows="<i>more</i>"),
    save("context processor", ("bakery/context.py", "7 to 18", "8 to 18"), path="/", shows="8 to 18"),
    # ---- forms ----
    save("field of a form", ("bakery/forms.py", "    def clean_pieces", "    note = forms.CharField(required=False)\n\n    def clean_pieces"),
         path="/forms/", shows='name="note"'),
    save("argument of a field", ("bakery/forms.py", "max_value=9", "max_value=8"), path="/forms/", shows='max="8"'),
    save("method of a form", ("bakery/forms.py", 'return self.cleaned_data["pieces"]', 'raise forms.ValidationError("sold out")'),
         path="/forms/", shows="sold out"),
    save("fields of a ModelForm", ("bakery/forms.py", 'fields = ("name",)', 'fields = ("name", "grams")'),
         path="/forms/", shows='name="grams"'),
    # ---- middleware, signals, admin, commands ----
    save("middleware", ("bakery_site/middleware.py", 'return "Ada"', 'return "Bea"'), path="X-Baker", shows="Bea"),
    save("list of middleware", ("bakery_site/settings.py", '    "bakery_site.middleware.Sign",\n',
                                '    "bakery_site.middleware.Sign",\n    "bakery_site.middleware.polite",\n'), path="X-Polite", shows="please"),
    save("receiver", ("bakery/signals.py", '"oven {instance', '"OVEN {instance'), path="/bake/", shows="OVEN stone"),
    save("new receiver", ("bakery/signals.py", "BAKED.append(f\"OVEN {instance.name}\")\n", "BAKED.append(f\"OVEN {instance.name}\")\n\n\n" + RECEIVER),
         path="/bake/", shows="OVEN stone, second"),
    save("options of an admin", ("bakery/admin.py", 'list_display = ("name",)', 'list_display = ("name", "grams")'),
         path="/office/bakery/loaf/", shows="column-grams"),
    save("method of an admin", ("bakery/admin.py", "    def has_view_permission", "    def half(self, loaf):\n        return loaf.grams / 2\n\n    def has_view_permission"),
         ("bakery/admin.py", '("name", "grams")', '("name", "half")'), path="/office/bakery/loaf/", shows="column-half"),
    save("new admin", ("bakery/admin.py", "import Loaf\n", "import Loaf, Oven\n"), ("bakery/admin.py", "@admin.register(Loaf", OVENS),
         path="/office/bakery/oven/", shows="Oven"),
    save("admin site", ("bakery/admin.py", 'site_header = "Office"', 'site_header = "Back office"'), path="/office/", shows="Back office"),
    save("command", ("bakery/management/commands/count_loaves.py", " loaves", " breads"), path="/command/", shows="2 breads"),
    # ---- models ----
    save("method of a model", ("bakery/models.py", "{self.grams} g", "{self.grams} grams"), path="/", shows="1000 grams"),
    save("new method of a model", ("bakery/models.py", "    def label(self):\n        return", "    def short(self):\n        return self.name[:2]\n\n    def label(self):\n        return self.short() + \" \" +"),
         path="/", shows="Ry Rye, 1000 grams"),
    save("property of a model", ("bakery/models.py", "    def short(self)", "    @property\n    def weight(self):\n        return f'{self.grams} gr'\n\n    def short(self)"),
         ("bakery/models.py", "{self.grams} grams", "{self.weight}"), path="/", shows="Ry Rye, 1000 gr"),
    save("method of a manager", ("bakery/models.py", "grams__gte=800", "grams__gte=400"), path="/", shows="2 heavy"),
    save("field of a model that a form shows", ("bakery/models.py", "grams = models.PositiveIntegerField(default=500)", "grams = models.PositiveIntegerField(default=500, help_text='in the oven')"),
         path="/forms/", shows="in the oven"),
    save("options of a model", ("bakery/models.py", 'ordering = ("name",)', 'ordering = ("name",)\n        verbose_name = "warm loaf"'),
         path="/office/bakery/loaf/", shows="warm loaf"),
    save("new model", ("bakery/models.py", "class Oven(models.Model)", "class Stock(Loaf):\n    class Meta:\n        proxy = True\n\n    def label(self):\n        return 'in stock'\n\n\nclass Oven(models.Model)"),
         ("bakery/views.py", "import Loaf, Oven\n", "import Loaf, Oven, Stock\n"), ("bakery/views.py", "    model = Loaf\n", "    model = Stock\n"),
         path="/", shows="in stock"),
    # ---- settings, static files ----
    save("setting of the project", ("bakery_site/settings.py", "fresh every day", "fresh all day"), path="/", shows="fresh all day"),
    save("setting of Django", ("bakery_site/settings.py", "USE_TZ = True", 'USE_TZ = True\nX_FRAME_OPTIONS = "DENY"'), path="/", shows="fresh"),
    save("static file", ("bakery/static/bakery/style.css", "black", "brown"), path="/static/bakery/style.css", shows="brown"),
)  # fmt: skip

#: What asks for a restart, with the code and a word of the reason.
RESTARTS = (
    ("installed applications", "bakery_site/settings.py", '    "bakery",\n', '    "django.contrib.humanize",\n    "bakery",\n',
     "HS213", "the registry of applications was filled at the start"),
    ("primary key of a model", "bakery/models.py", "class Oven(models.Model):\n    name = models.CharField(",
     "class Oven(models.Model):\n    name = models.CharField(primary_key=True, ", "HS206", "objects are known by its primary key"),
    ("new converter and its address", "bakery/urls.py", 'register_converter(converters.Grams, "grams")\n',
     'register_converter(converters.Grams, "grams")\nregister_converter(converters.Kilos, "kilos")\n'
     'weights = [path("kilo/<kilos:grams>/", views.heavier)]\n', "HS213", "a converter is registered together with"),
    ("receiver that goes", "bakery/signals.py", "@receiver(post_save, sender=Oven)\ndef note_second", "def note_second", "HS206", "django.dispatch.receiver"),
)  # fmt: skip
