"""What one asks of tasks beyond looking at them and stopping them: one method for each resource of the API.

starting       kinds of tasks, and starting one
talking        output, answers, messages
telling        inboxes, and waiting for several tasks
watching       what looks wrong, and how much there is
metrics        counts in the text form of Prometheus
output_stream  the output of a task to one reader
finding        the task that a request means, and answers
"""
