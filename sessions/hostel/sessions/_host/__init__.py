"""The host: the verbs, and what happens behind them. Imports point down this list.

host         the verbs that change, and the life of a host
reading      the verbs that look
waiting      the verbs that wait
talking      output, answers, messages, inboxes
opened       what all groups of verbs stand on
handle       what a starter holds
shutdown     closing a session, stopping a host
resumption   what becomes of tasks that an earlier host has left
restart      what a journal keeps for running a task again
barrier      hidden tasks, and who is told of their failures
cancel       requests to stop, and insisting on them
run          one managed task from its start to its end
open_host    what a host has while it is open, and every change of a task
turns        when a task's turn to run comes
heartbeats   who has to be heard of by when
context      what a body knows of its own task
body         how the end of a body becomes the end of its task
"""
