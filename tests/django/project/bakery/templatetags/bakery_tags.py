from django import template

register = template.Library()


@register.filter
def crusty(text):
    return f"crusty {text}"


@register.simple_tag
def sign():
    return "signed"
