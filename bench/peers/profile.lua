-- Exact profiles, for every peer. KEYS: the profile of each event. ARGV: six for each event: the mark's field, the
-- offset, the event type, the event time in ms, money in 1/10,000, and a count. An event below its partition's mark was
-- counted before and changes nothing, so a batch may come twice and may be cut anew.
-- effects: what is counted, what the money adds to, what the count adds to, whose newest time is kept
local effects = {
    order_placed = {'order_count', 'total_spent', 'items_purchased', 'last_order_at'},
    order_cancelled = {'orders_cancelled'},
    payment_failed = {'payment_failures', 'failed_amount', nil, 'last_payment_failure_at'},
    support_ticket_created = {'support_tickets'},
    email_opened = {'emails_opened'},
    email_clicked = {'emails_clicked'},
    login = {'login_count', nil, nil, 'last_login_at'},
    product_viewed = {'products_viewed'},
    cart_abandoned = {'carts_abandoned', 'abandoned_value'},
    review_submitted = {'reviews_submitted', nil, 'rating_sum'},
    refund_requested = {'refunds_requested', 'refund_amount'},
    subscription_cancelled = {nil, nil, nil, 'subscription_cancelled_at'},
}
local counted = 0
for i, key in ipairs(KEYS) do
    local at = (i - 1) * 6
    local mark, offset, kind, time = ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3], tonumber(ARGV[at + 4])
    local effect = effects[kind]
    local count, money, number, newest = effect[1], effect[2], effect[3], effect[4]
    local old = redis.call('HMGET', key, mark, 'events_total', 'first_event_at', 'last_event_at',
                           count or '', money or '', number or '', newest or '')
    if offset >= tonumber(old[1] or 0) then
        local new = {mark, offset + 1, 'events_total', (old[2] or 0) + 1}
        local n = 4
        local function set(name, value)
            new[n + 1], new[n + 2] = name, value
            n = n + 2
        end
        if time < tonumber(old[3] or time + 1) then set('first_event_at', time) end
        if time >= tonumber(old[4] or time) then
            set('last_event_at', time)
            set('last_event_type', kind)
        end
        if count then set(count, (old[5] or 0) + 1) end
        if money then set(money, (old[6] or 0) + tonumber(ARGV[at + 5])) end
        if number then set(number, (old[7] or 0) + tonumber(ARGV[at + 6])) end
        if newest and time > tonumber(old[8] or time - 1) then set(newest, time) end
        redis.call('HSET', key, unpack(new))
        counted = counted + 1
    end
end
return counted
