"""From a request to a model in the cache.

Imports point down this list:

    requests          each is served in a managed task of its session
    early_cancels     cancels that come before their request
    scheduler         groups, the queue and what may run
    handle            what a caller holds of a pull
    group             one download and the requests that wait for it
    event_bus         events for any number of readers
    snapshot          the queue as its users see it, and what its last run did
    persistence       the queue on disk
    queue             the queue as a value
    pull              one plan carried out: disk space, every missing file, the snapshot
    shared_transfers  one transfer for all who want its blob
    shared            work that is done once for all who want it
    progress          the files of one pull, added up
    rate              bytes per second and the time that is left
    plan              which files, from where, to which places in the cache
    download_request  what a caller asks for, and what a download is called
"""
