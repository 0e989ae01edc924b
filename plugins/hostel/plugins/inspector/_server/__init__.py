"""A runtime over HTTP: its API, its events, its page, the routes of its plugins.

app            the application: routes and error handlers
plugin_routes  what plugins answer, as routes
plugin_mounts  an application that a plugin mounts
api            the resources of a runtime
params         what a request asks for, parsed and checked
task_history   what happened to one task
event_stream   events to any number of readers
cursors        places in listings and streams
pacing         when streams have the loop, and when others
auth           who may ask
tokens         the token, the key of a run, tickets
host_names     names of servers
problems       errors as RFC 9457 has them
openapi        the description of the API
static_files   the files of the page
http1          the HTTP/1.1 server
"""
