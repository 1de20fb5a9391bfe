"""Names of the columns of the engine's tables, and of its events."""

from __future__ import annotations

# Whole numbers of the run
N_ACTIVE, SEQ, HEAP_N, TIMER_ON, TIMER_SEQ, SETTLING, FINISHED, STAMP = range(8)
N_DIRTY, N_ALARMS, ALARM_SEQ, N_METERS, FRESH, N_KNOWN, DONE_RANKS, FAULT = range(8, 16)
(
    REFILL, ENGINES_A_BATCH, PLACES, FIFO, EQUAL, DEMAND, LOSES, BOTH_WAYS, BARRIERS, STREAMS, RANKS, LAYERS,
) = range(16, 28)  # fmt: skip
(
    ITERATIONS, SLOTS, RING, AHEAD, CARRY_OVER, GOES_ON, GPUS, ENGINES, FLOWS, HOST_WAITS, KEPT, RIPPLES, N_NEAR,
    N_SHARES, N_SNAPPED, N_DIRTY_GPUS, TODO_FIRST, TODO_N, N_CHANGED, SOLVED, RIPPLED, LOOKED_AT,
    N_NEW, PAIRS_IDLE, RECORDS, LOG_N, BLAMES, WIDTH,
) = range(28, 56)  # fmt: skip
GLOBAL_INTS = 56

# Real numbers of the run
NOW, LAST_S, TIMER_S, GAP_FACTOR, WINDOW_BYTES, BARRIER_S, EVENT_S, LAUNCH_S, LOST_LEAD = range(9)
RECORD_FROM_S, RECORD_UNTIL_S = 9, 10
GLOBAL_FLOATS = 11

# Refills
OLDEST, ANY, BYTES = range(3)

# Flows: whole numbers
F_ENGINE, F_GPU, F_SRC, F_DST, F_PUSH, F_PEER, F_POS, F_COPY, F_HEAD, F_TAIL, F_READING, F_USES = range(12)
F_RES = 12  # four resources, then their places in the resources' lists
F_PLACE = 16
F_COUNTED = 20  # how many of its resources can bind
FLOW_INTS = 21

# Resources
R_BASE, R_N, R_COUNT, R_STAMP, R_FULL, R_KIND, R_END, R_DIRTY, R_QUEUED, R_CHANGED, R_PLACE = range(11)
RESOURCE_INTS = 11
R_RATE, R_CAP, R_LEFT, R_LEVEL, R_RAW = range(5)
RESOURCE_FLOATS = 5

# Engines
(
    E_STATE, E_WOKEN, E_STREAM, E_CALL, E_RUN, E_PENDING, E_METER, E_LEFT, E_MOVING, E_DIRTY, E_GPU, E_ALARM_SEQ,
    E_ALARM_ON, E_FIRST_FLOW, E_WAITING,
) = range(15)  # fmt: skip
ENGINE_INTS = 15
(
    E_FREE_S, E_REST_S, E_TOTAL, E_SINCE_S, E_SHARE_S, E_MOVING_S, E_BLOCKED_S, E_SHARE_AT, E_LOST_AT,
    E_ALARM_LEFT, E_ALARM_WHOLE, E_METER_S, E_OPENS_AT, E_THRESHOLD,
) = range(14)  # fmt: skip
ENGINE_FLOATS = 14
IDLE, WAITS, METERS, MOVES = range(4)  # what an engine does

# Windows of a batch, two an engine
W_NEXT, W_FREE, W_N, W_BASE = range(4)
WINDOW_INTS = 4

# Streams
S_GPU, S_CALLS, S_FIRST_CALL, S_ISSUED, S_DONE, S_HOST_CALL, S_NEXT, S_RETURN_AT, S_ISSUE_BASE, S_ISSUE_RING = range(10)
S_BY_LAYER, S_QUEUED, S_WAITS_NEXT = 10, 11, 12
STREAM_INTS = 13
S_FREE_S, S_HOST_S, S_GAP_S, S_TRANSFER_S, S_CONTENTION_S = range(5)
STREAM_FLOATS = 5

# Calls
C_ENGINE, C_FIRST_RUN, C_LAST_RUN, C_BARRIER, C_RETURNS = range(5)
CALL_INTS = 5
C_FIXED_S, C_GAP_S, C_COST_S = range(3)
CALL_FLOATS = 3

# Runs: pipelined copies
N_FIRST, N_LAST, N_PEER, N_PUSH, N_HEADS, N_END_HEADS, N_SECOND_HALF = range(7)
RUN_INTS = 7

# GPUs
G_OUT, G_IN, G_HEAD, G_TAIL, G_BUSY, G_HOST_HEAD, G_HOST_TAIL, G_READERS, G_KINDS = range(9)
G_OUT_PUSHED, G_IN_PUSHED, G_TAKERS, G_DIRTY, G_STAMP = range(9, 14)
GPU_INTS = 14
G_EGRESS_LEFT, G_INGRESS_LEFT, G_EGRESS_NOW, G_INGRESS_NOW = range(4)
GPU_FLOATS = 4

# Ranks
(
    K_HOST_PC, K_HOST_STEP, K_HOST_LAYER, K_HOST_CALL, K_HOST_BACK, K_HOST_WAITS, K_ENDED,
    K_PC, K_STEP, K_LAYER, K_WORKS, K_FINISHED, K_METER, K_LAUNCH_WAITS, K_FETCH_WAITS,
    K_FETCHED,
) = range(16)  # fmt: skip
RANK_INTS = 16
(
    K_PREVIOUS_END_S, K_LOST, K_METER_S, K_IDLE_S, K_WAIT_BEGIN_S, K_MOE_BEGIN_S, K_SPENT_HOST, K_SPENT_GAP,
    K_SPENT_TRANSFER, K_SPENT_CONTENTION,
) = range(10)  # fmt: skip
RANK_FLOATS = 10

# Layers of a rank that are under way (a ring)
Q_LAUNCHED, Q_FETCHED, Q_WAITS = range(3)
RING_INTS = 3
Q_BEGIN_S, Q_SLOT_S = range(2)
RING_FLOATS = 2

# Events
(
    ON_STREAM, ON_SETTLE, ON_ENGINE, ON_GRANT, ON_RELEASE, ON_COST, ON_RETURN, ON_RANK, ON_ENDED, ON_RANK_HOST,
    ON_RANK_RETURN, ON_COMPUTE, ON_LAUNCHED, ON_FETCHED,
) = range(14)  # fmt: skip

# Columns of the timelines
T_BEGIN, T_LEAD_END, T_END = range(3)
(
    T_LAUNCH_WAIT, T_WAIT_BEGIN, T_MOE_BEGIN, T_MOE_END, T_FETCH_BEGIN, T_FETCH_END, T_OWN, T_HOST, T_GAP, T_TRANSFER,
    T_CONTENTION,
) = range(11)  # fmt: skip

# What the loop says
RUNNING, EMPTY, DONE, FAULTY = range(4)

# Barriers
B_LEFT, B_HEAD, B_TAIL = range(3)
BARRIER_INTS = 3

# Kinds of resources
EGRESS, INGRESS, PAIR, PUSHED, OTHER = range(5)

# Arguments that are constants: numba would compile a function again for each literal
NONE, NOWHERE, BEGINS, ENDS = 0, -1, 1, -1
TO_FIRST, TO_LAYER = 1, 2

# In the log, in place of a flow: the time at which rates were settled
SETTLED = -1
