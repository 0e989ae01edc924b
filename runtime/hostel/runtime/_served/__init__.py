"""What plugins describe for where a runtime is served; free of any web framework.

routes   what they answer over HTTP
panels   what they show of it
actions  what can be done there
typed    whether the fields of a description are of the right types
"""
