"""Forms."""

from django import forms

from bakery.models import Loaf


class OrderForm(forms.Form):
    pieces = forms.IntegerField(min_value=1, max_value=9, initial=1)

    def clean_pieces(self):
        return self.cleaned_data["pieces"]


class LoafForm(forms.ModelForm):
    class Meta:
        model = Loaf
        fields = ("name",)


OrderFormSet = forms.formset_factory(OrderForm, extra=1)
