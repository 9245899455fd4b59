"""The domain: what is kept about a customer, what it means, what follows from it.

Pure: no Kafka, no HTTP, no environment; one clock; only ``store`` touches Redis.  One line a module, arrows point down:

    errors clock stable settings logs   what everything shares: faults, time, hashes, switches, log lines
    kinds operators                     words: what a customer can do, how a feature can be read
    compiled                            the compiler, and where its code is kept
    measures -> layout                  what is kept, and in which slot of a customer's vector
    features                            the data dictionary: what can be read
    kernels/                            the loops over slots: fold, merge, derive, decide, horizon, advance, pack
    census                              names of the counts that all customers make together: steps, returns
    privacy -> grams -> said            what somebody wrote, as hashed pieces
    consent                             what a customer allows
    vault/                              personal data that only somebody with a key can read, and found again without one
    topics                              names of topics that both shells write to
    wire codec sidecar timeline         bytes: messages that leave, rows, traits in words, what happened
    cleaning/                           numbers, dates, phones, addresses however they are written
    identity/                           who is who: names, and what nodes tell each other to join and part
    packing                             matrices as bytes that travel, many at once
    models/                             what is learned from lessons and how to score with it; what counts say of paths and returns
    population                          what decides besides rules: cut points of all customers together, the churn model
    intake -> inputs                    from an app's record to columns of events
    erasure                             orders about what may be kept of customers, and receipts
    dialects/                           what other systems' SDKs send, as records that intake reads
    lessons                             what learners are told of single events: orders of several products, rated texts
    quarantine                          an event that cannot be worked with is cut out of its batch
    joined                              events of customers behind several ids
    replay                              history in the order it happened, whatever order it arrives in
    alerts deliveries reasons           what happens when a transition is somebody's business
    rules/ tags.yaml                    tags and ladders: from SQL predicates to arrays, and back to words
    mapping/                            any source's names, columns and spellings become events as apps send them
    landing                             a record of any topic: a CloudEvent is opened, a mapping applied, then intake reads it
    quality                             what is counted of a source's events: complete, valid, repeated, fresh
    worth -> imports                    what such counts say, in words; what became of the rows of files, counted alike
    access                              who may ask
    store/                              checkpoints and atomic commits: memory and Redis
    reveal                              personal traits in plain, for whoever may
    suppressed                          of whom no event is taken
    step                                one batch of one bucket: all updates go through here
    lineage                             the ids of a customer, from node to node
    timelines                           what happened to a customer, of all ids as one
    things view dictionary forecast voice -> reader  a profile as people read it, and what the models say of it
    verify/                             the judge: everything recomputed from the log and laid beside what is stored
"""
