"""What a cache holds.

Imports point down this list:

    disk_space  space for a whole model before its first byte, and waiting for more
    models      what lies there
    verify      each file is held against its checksum once
    known       what a repository has, without asking anybody
    layout      blobs, snapshots and refs, as huggingface_hub lays them out
"""
