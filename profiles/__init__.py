"""The domain: what is kept about a customer, what it means, what follows from it.

Pure: no Kafka, no HTTP, no environment; one clock; only ``store`` touches Redis.  One line a module, arrows point down:

    errors clock stable kinds settings  words and numbers that everything shares
    measures -> layout                  what is kept, and in which slot of a customer's vector
    kernels/                            the loops over slots: fold, derive, decide, horizon, advance, merge, pack
    features                            the data dictionary: what can be read
    rules/ tags.yaml                    tags and ladders: from SQL predicates to arrays, and back to words
    population                          cut points learned from all customers together
    privacy -> intake -> inputs         from an app's record to columns of events
    logs                                log lines, alike in every process
    codec sidecar wire                  bytes: rows, traits in words, messages that leave
    replay                              history in the order it happened, whatever order it arrives in
    store/                              checkpoints and atomic commits: memory and Redis
    step                                one batch of one bucket: all updates go through here
    view -> reader                      a profile as people read it
    alerts deliveries                   what happens when a transition is somebody's business
"""
