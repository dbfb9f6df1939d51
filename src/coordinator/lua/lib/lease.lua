-- Whose is a job? (R3) `job`: its key, `token`: what BullMQ's lock of it holds while the delivery lasts. A slot keeps its
-- token for later deliveries, so the delivery is compared too: `started` counts those of the job (BullMQ's field ats). A
-- claim that reaches Redis late, when its job has been delivered again to the same slot, is none of the holder's.
local function holdsLease(job, token, started)
  return call('GET', job .. ':lock') == token and call('HGET', job, 'ats') == started
end
