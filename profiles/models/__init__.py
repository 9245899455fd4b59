"""Models that learn from the stream, as pure values: churn, lifetime value, segments, voices, how good they are and why they say so.

    churn_inputs            which features a churn model sees, and how
    quality                 exact measures of a forecast
    bgnbd gammagamma        repeat buying and order value, fitted on the whole population
    logistic                River's pipeline, and its state as plain data
    packing                 arrays inside msgpack
    panel                   frozen features of customers whose label is not known yet
    contest                 who has been forecasting better of late, and how to mix
    budget                  as many alerts by forecasts as by the plain rule
    adwin drift             what has drifted: forecasts, what the model sees, how wrong it was
    params                  what is published, and how workers score with it
    churn                   the learner: samples in, params out
    axes kmeans roster      what segments are made of, how centres follow a stream, whose segments are followed
    segment_params          segments as published, and how anybody finds a customer's
    portraits               what segments are called
    segments                the segment learner: samples in, segments out
    voice_params voice      how texts tell their stars: as published, and the learner
    whatif                  features after one more order, one visit, ten more silent days
    frequent                the frequent among very many, counted in bounded memory
    basket_params basket_lines  rules of what is bought together: as published, and in words
    baskets                 the basket learner: orders of several things in, rules out
    suggestions             what a customer may buy next, and why
    paths                   counts of steps as a Markov chain: where orders come from, where customers leave
    retention               counts of returns as a cohort table
    reasons                 why a customer is at risk, in words, and what would change it

Nothing here knows Kafka, Redis or the time of day, and nothing is ever unpickled: state is msgpack, params are JSON.
"""
