"""What a visitor may send."""

from django import forms


class AddToCartForm(forms.Form):
    quantity = forms.IntegerField(min_value=1, max_value=9, initial=1)

    def clean_quantity(self):
        return self.cleaned_data["quantity"]


class NameForm(forms.Form):
    name = forms.CharField(max_length=80, label="Your name")


class CheckoutForm(forms.Form):
    customer = forms.CharField(max_length=80, label="Your name")

    def clean_customer(self):
        return self.cleaned_data["customer"].strip()
