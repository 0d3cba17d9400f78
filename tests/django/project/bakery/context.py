def opening(request):
    return {"opening": "7 to 18"}
