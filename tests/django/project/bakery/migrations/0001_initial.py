from django.db import migrations, models


def bake(apps, schema_editor):
    loaf = apps.get_model("bakery", "Loaf")
    loaf.objects.bulk_create([loaf(name="Rye", grams=1000), loaf(name="Spelt", grams=500)])


class Migration(migrations.Migration):
    initial = True
    operations = (
        migrations.CreateModel(
            name="Loaf",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=40)),
                ("grams", models.PositiveIntegerField(default=500)),
            ],
            options={"ordering": ("name",)},
        ),
        migrations.CreateModel(
            name="Oven",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(choices=[("stone", "Stone oven")], max_length=40)),
            ],
        ),
        migrations.RunPython(bake, migrations.RunPython.noop),
    )
