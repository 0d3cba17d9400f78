# ruff: noqa: E501  (passages of files stand as they do there)
"""What a person edits in the models of the bakery, one after the other: a name, then file, passage, what stands there afterwards."""

from __future__ import annotations

MODELS = "bakery/models.py"
GRAMS = "    grams = models.PositiveIntegerField(default=500)\n"

#: All of these are live; after each one all that Django knows is what a fresh start makes of the files.
EDITS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    ('method added', (
        (MODELS, '    def label(self)', '    def short(self):\n        return 1\n\n    def label(self)'),
    )),
    ('default', (
        (MODELS, '(default=500)', '(default=600)'),
    )),
    ('type', (
        (MODELS, 'models.PositiveIntegerField(default=600)', "models.FloatField(default=600, verbose_name='weight', help_text='in g')"),
    )),
    ('type back', (
        (MODELS, "models.FloatField(default=600, verbose_name='weight', help_text='in g')", 'models.PositiveIntegerField(default=500)'),
    )),
    ('char field', (
        (MODELS, GRAMS, GRAMS + "    flour = models.CharField(max_length=9, default='rye', choices=[('rye','Rye')])\n"),
    )),
    ('max_length', (
        (MODELS, 'max_length=9', 'max_length=19, null=True, db_index=True'),
    )),
    ('validators', (
        (MODELS, 'from django.db import models', 'from django.core.validators import MinLengthValidator\nfrom django.db import models'),
        (MODELS, 'max_length=19', 'max_length=19, validators=[MinLengthValidator(2)]'),
    )),
    ('rename', (
        (MODELS, '    flour =', '    meal ='),
    )),
    ('removed', (
        (MODELS, "    meal = models.CharField(max_length=19, validators=[MinLengthValidator(2)], null=True, db_index=True, default='rye', choices=[('rye','Rye')])\n", ''),
    )),
    ('fk', (
        (MODELS, GRAMS, GRAMS + "    oven = models.ForeignKey('Oven', models.CASCADE, null=True)\n"),
    )),
    ('fk related name', (
        (MODELS, 'models.CASCADE, null', "models.SET_NULL, related_name='loaves', limit_choices_to={'name': 'stone'}, null"),
    )),
    ('fk to other', (
        (MODELS, "ForeignKey('Oven'", "ForeignKey('auth.User'"),
    )),
    ('fk to self', (
        (MODELS, "ForeignKey('auth.User'", "ForeignKey('self'"),
    )),
    ('o2o', (
        (MODELS, "oven = models.ForeignKey('self'", "oven = models.OneToOneField('Oven'"),
    )),
    ('fk gone', (
        (MODELS, "    oven = models.OneToOneField('Oven', models.SET_NULL, related_name='loaves', limit_choices_to={'name': 'stone'}, null=True)\n", ''),
    )),
    ('m2m', (
        (MODELS, GRAMS, GRAMS + "    ovens = models.ManyToManyField('Oven', blank=True)\n"),
    )),
    ('m2m related', (
        (MODELS, "('Oven', blank", "('Oven', related_name='breads', blank"),
    )),
    ('m2m through', (
        (MODELS, "related_name='breads', blank", "related_name='breads', through='Baking', blank"),
        (MODELS, 'KINDS = [', "class Baking(models.Model):\n    loaf = models.ForeignKey(Loaf, models.CASCADE)\n    oven = models.ForeignKey('Oven', models.CASCADE)\n    minutes = models.IntegerField()\n\n\nKINDS = ["),
    )),
    ('field of through', (
        (MODELS, '    minutes = models.IntegerField()\n', '    minutes = models.FloatField(default=1)\n    hot = models.BooleanField(default=True)\n'),
    )),
    ('m2m self', (
        (MODELS, GRAMS, GRAMS + "    friends = models.ManyToManyField('self')\n"),
    )),
    ('m2m self gone', (
        (MODELS, "    friends = models.ManyToManyField('self')\n", ''),
    )),
    ('through gone', (
        (MODELS, ", through='Baking'", ''),
        (MODELS, "class Baking(models.Model):\n    loaf = models.ForeignKey(Loaf, models.CASCADE)\n    oven = models.ForeignKey('Oven', models.CASCADE)\n    minutes = models.FloatField(default=1)\n    hot = models.BooleanField(default=True)\n\n\n", ''),
    )),
    ('m2m gone', (
        (MODELS, "    ovens = models.ManyToManyField('Oven', related_name='breads', blank=True)\n", ''),
    )),
    ('meta ordering', (
        (MODELS, 'ordering = ("name",)', 'ordering = ("-grams",)\n        verbose_name = "bread"\n        verbose_name_plural = "breads"\n        get_latest_by = "grams"'),
    )),
    ('meta indexes', (
        (MODELS, '        get_latest_by', '        indexes = [models.Index(fields=["name"], name="by_name")]\n        constraints = [models.UniqueConstraint(fields=["name", "grams"], name="one")]\n        unique_together = [("name", "grams")]\n        permissions = [("eat", "Can eat")]\n        get_latest_by'),
    )),
    ('meta table', (
        (MODELS, '        get_latest_by', '        db_table = "bread"\n        managed = True\n        default_manager_name = "objects"\n        get_latest_by'),
    )),
    ('meta gone', (
        (MODELS, '    class Meta:\n        ordering = ("-grams",)\n        verbose_name = "bread"\n        verbose_name_plural = "breads"\n        indexes = [models.Index(fields=["name"], name="by_name")]\n        constraints = [models.UniqueConstraint(fields=["name", "grams"], name="one")]\n        unique_together = [("name", "grams")]\n        permissions = [("eat", "Can eat")]\n        db_table = "bread"\n        managed = True\n        default_manager_name = "objects"\n        get_latest_by = "grams"\n\n', ''),
    )),
    ('meta added', (
        (MODELS, '    objects = LoafManager()\n', "    objects = LoafManager()\n\n    class Meta:\n        ordering = ('name',)\n"),
    )),
    ('manager added', (
        (MODELS, '    objects = LoafManager()\n', '    objects = LoafManager()\n    every = models.Manager()\n'),
    )),
    ('manager first', (
        (MODELS, '    objects = LoafManager()\n    every = models.Manager()\n', '    every = models.Manager()\n    objects = LoafManager()\n'),
    )),
    ('from queryset', (
        (MODELS, 'class Loaf(', 'class Loaves(models.QuerySet):\n    def light(self):\n        return self.filter(grams__lt=800)\n\n\nclass Loaf('),
        (MODELS, 'objects = LoafManager()', 'objects = LoafManager.from_queryset(Loaves)()'),
    )),
    ('queryset method', (
        (MODELS, '    def light(self)', '    def mid(self):\n        return self\n\n    def light(self)'),
    )),
    ('queryset as_manager', (
        (MODELS, 'objects = LoafManager.from_queryset(Loaves)()', 'objects = Loaves.as_manager()'),
        ('bakery/views.py', 'Loaf.objects.heavy()', 'Loaf.objects.light()'),
    )),
    ('manager back', (
        (MODELS, 'objects = Loaves.as_manager()', 'objects = LoafManager()'),
        ('bakery/views.py', 'Loaf.objects.light()', 'Loaf.objects.heavy()'),
        (MODELS, '    every = models.Manager()\n', ''),
    )),
    ('new model', (
        (MODELS, 'KINDS = [', 'class Flour(models.Model):\n    name = models.CharField(max_length=9)\n\n\nKINDS = ['),
    )),
    ('new model with fk to it by string', (
        (MODELS, GRAMS, GRAMS + "    seed = models.ForeignKey('Seed', models.CASCADE, null=True)\n"),
        (MODELS, 'KINDS = [', 'class Seed(models.Model):\n    name = models.CharField(max_length=9)\n\n\nKINDS = ['),
    )),
    ('model removed', (
        (MODELS, "    seed = models.ForeignKey('Seed', models.CASCADE, null=True)\n", ''),
        (MODELS, 'class Seed(models.Model):\n    name = models.CharField(max_length=9)\n\n\n', ''),
    )),
    ('proxy', (
        (MODELS, 'KINDS = [', 'class Rye(Loaf):\n    class Meta:\n        proxy = True\n\n\nKINDS = ['),
    )),
    ("field of proxy's base", (
        (MODELS, GRAMS, GRAMS + '    salt = models.IntegerField(default=1)\n'),
    )),
    ('mti', (
        (MODELS, 'KINDS = [', 'class Cake(Loaf):\n    sugar = models.IntegerField(default=1)\n\n\nKINDS = ['),
    )),
    ('field of mti base', (
        (MODELS, '    salt = models.IntegerField(default=1)\n', '    pepper = models.IntegerField(default=1)\n'),
    )),
    ('field of mti child', (
        (MODELS, '    sugar = models.IntegerField(default=1)\n', '    sugar = models.IntegerField(default=2)\n    honey = models.ForeignKey(Flour, models.CASCADE, null=True)\n'),
    )),
    ('abstract', (
        (MODELS, 'class Flour(models.Model):\n    name', "class Named(models.Model):\n    title = models.CharField(max_length=3, default='')\n    owner = models.ForeignKey('auth.User', models.CASCADE, null=True, related_name='%(class)s_set')\n\n    class Meta:\n        abstract = True\n        ordering = ['title']\n\n\nclass Flour(Named):\n    name"),
    )),
    ('abstract field', (
        (MODELS, "    title = models.CharField(max_length=3, default='')\n", "    title = models.CharField(max_length=4, default='')\n    sub = models.CharField(max_length=3, default='')\n"),
    )),
    ('abstract child meta', (
        (MODELS, 'class Flour(Named):\n', "class Flour(Named):\n    class Meta(Named.Meta):\n        verbose_name='fl'\n\n"),
    )),
    ('abstract meta', (
        (MODELS, "ordering = ['title']", "ordering = ['-title']"),
    )),
    ('choices const', (
        (MODELS, '"Stone oven"', '"Stone"'),
    )),
    ('textchoices', (
        (MODELS, 'class Oven(models.Model):\n', "class Oven(models.Model):\n    class Heat(models.TextChoices):\n        WOOD = 'w', 'Wood'\n        GAS = 'g', 'Gas'\n\n    heat = models.CharField(max_length=1, choices=Heat.choices, default=Heat.WOOD)\n"),
    )),
    ('textchoices more', (
        (MODELS, "        GAS = 'g', 'Gas'\n", "        GAS = 'g', 'Gas'\n        SUN = 's', 'Sun'\n"),
    )),
    ('image and dates', (
        (MODELS, GRAMS, GRAMS + "    made = models.DateTimeField(auto_now_add=True)\n    paper = models.FileField(upload_to='x', null=True)\n    data = models.JSONField(default=dict)\n"),
    )),
    ('order with respect to', (
        (MODELS, 'class Flour(Named):\n', 'class Flour(Named):\n    loaf = models.ForeignKey(Loaf, models.CASCADE, null=True)\n\n'),
        (MODELS, "        verbose_name='fl'\n", "        verbose_name='fl'\n        order_with_respect_to='loaf'\n        ordering=None\n"),
    )),
    ('order gone', (
        (MODELS, "        order_with_respect_to='loaf'\n        ordering=None\n", ''),
    )),
    ('generic fk', (
        (MODELS, 'class Flour(Named):\n', "class Flour(Named):\n    kind = models.ForeignKey('contenttypes.ContentType', models.CASCADE, null=True)\n    number = models.IntegerField(null=True)\n    thing = GenericForeignKey('kind', 'number')\n"),
        (MODELS, 'from django.db import models', 'from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation\nfrom django.db import models'),
        (MODELS, GRAMS, GRAMS + "    flours = GenericRelation('Flour', 'number', 'kind')\n"),
    )),
    ('generic gone', (
        (MODELS, "    flours = GenericRelation('Flour', 'number', 'kind')\n", ''),
    )),
    ('form field', (
        ('bakery/forms.py', 'fields = ("name",)', 'fields = ("name", "grams", "made2")'),
        (MODELS, GRAMS, GRAMS + '    made2 = models.DateField(null=True)\n'),
    )),
    ('str and clean', (
        (MODELS, '    def label(self)', '    def clean(self):\n        pass\n\n    def save(self, *a, **k):\n        super().save(*a, **k)\n\n    @property\n    def p(self):\n        return 1\n\n    def label(self)'),
    )),
    ('mixin', (
        (MODELS, 'class Loaf(models.Model)', 'class Mix:\n    def mixed(self):\n        return 1\n\n\nclass Loaf(Mix, models.Model)'),
    )),
    ('comment only', (
        (MODELS, 'KINDS = [', '# comment\n\nKINDS = ['),
    )),
    ('form follows', (
        (MODELS, '    name = models.CharField(max_length=40)\n    grams', "    name = models.CharField(max_length=41, help_text='x', blank=True)\n    grams"),
    )),
    ('after that', (
        (MODELS, 'max_length=41', 'max_length=42'),
    )),
    ('after that again', (
        (MODELS, 'max_length=42', 'max_length=43'),
    )),
)  # fmt: skip

#: None of these is: how the models and forms are stays as it was. With the code, and a word of the reason.
REFUSED: tuple[tuple[str, str, str, str, str], ...] = (
    ("primary key", "name = models.CharField(max_length=40)", "name = models.CharField(primary_key=True, max_length=40)", "HS206", "objects are known by its primary key"),
    ("another application", '        ordering = ("name",)', '        ordering = ("name",)\n        app_label = "auth"', "HS206", "it goes to another application"),
    ("becomes abstract", '        ordering = ("name",)', '        ordering = ("name",)\n        abstract = True', "HS206", "becomes abstract"),
    ("becomes a child", "class Oven(models.Model):\n    name = models.CharField(max_length=40, choices=KINDS)", "class Oven(Loaf):\n    hot = True", "HS206", "its parents are other models"),
    ("a check fails", '        ordering = ("name",)', '        ordering = ("nope",)', "HS212", "models.E015"),
    ("leads nowhere", GRAMS, GRAMS + "    seed = models.ForeignKey('Seed', models.CASCADE, null=True)\n", "HS212", "fields.E300"),
    ("a form names it", "    name = models.CharField(max_length=40)\n    grams", "    title = models.CharField(max_length=40)\n    grams", "HS212", "Unknown field(s) (name) specified for Loaf"),
    ("raises", GRAMS, GRAMS + "    seed = models.CharField(max_lenght=3)\n", "HS110", "max_lenght"),
    ("a clash", GRAMS, GRAMS + "    oven = models.ForeignKey('Oven', models.CASCADE, related_name='name', null=True)\n", "HS212", "fields.E302"),
)  # fmt: skip
