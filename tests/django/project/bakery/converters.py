class Grams:
    regex = "[0-9]+"

    def to_python(self, value):
        return int(value)

    def to_url(self, value):
        return str(value)


class Kilos:
    """Not registered yet."""

    regex = "[0-9]+kg"

    def to_python(self, value):
        return int(value.removesuffix("kg")) * 1000

    def to_url(self, value):
        return f"{value // 1000}kg"
