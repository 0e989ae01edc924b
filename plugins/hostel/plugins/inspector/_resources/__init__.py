"""What one asks of tasks beyond looking at them and stopping them: one method for each resource of the API.

history        what has ended, the latest first
starting       kinds of tasks, and starting one
talking        output, answers, messages
telling        inboxes, and waiting for several tasks
output_stream  the output of a task to one reader
finding        the task that a request means, and answers
"""
