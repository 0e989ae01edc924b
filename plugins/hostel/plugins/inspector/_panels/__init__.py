"""The views that plugins add to the page: gathered, checked, told as JSON.

gathering   the panels of all plugins, as they are listed
checking    what is wrong with a panel, by what its plugin answers
json_form   a panel as the page reads it
addresses   places in an address or a name that a row fills in
"""
