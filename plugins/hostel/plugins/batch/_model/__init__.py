"""What batches are made of, without any storage or network.

objects  files, batches, pages and errors in OpenAI's form
jsonl    lines of batch files, read and written
window   completion windows such as `24h`
secrets  references to secrets
errors   what can go wrong
records  files, batches, requests and what is asked about them
states   the states of a request and which may follow which
ids      the ids of files, batches, requests, daemons
streams  streams closed by whoever reads them
names    the name of the plugin, its task kind, its log
"""
