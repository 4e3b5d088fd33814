-- Exact profiles, for every peer. KEYS: the profile of each event. ARGV: six for each event: the field of its partition's
-- mark, the offset, the event type, the event time in ms, money in 1/10,000, and a count. An event below the mark was
-- counted before and changes nothing: so a batch may come twice, and cut anew, as long as each partition comes in order.
local ONE, MONEY, NUMBER, NEWEST = 1, 2, 3, 4
local effects = { -- what an event of a type does beside what every event does
    order_placed = {{'order_count', ONE}, {'total_spent', MONEY}, {'items_purchased', NUMBER}, {'last_order_at', NEWEST}},
    order_cancelled = {{'orders_cancelled', ONE}},
    payment_failed = {{'payment_failures', ONE}, {'failed_amount', MONEY}, {'last_payment_failure_at', NEWEST}},
    support_ticket_created = {{'support_tickets', ONE}},
    email_opened = {{'emails_opened', ONE}},
    email_clicked = {{'emails_clicked', ONE}},
    login = {{'login_count', ONE}, {'last_login_at', NEWEST}},
    product_viewed = {{'products_viewed', ONE}},
    cart_abandoned = {{'carts_abandoned', ONE}, {'abandoned_value', MONEY}},
    review_submitted = {{'reviews_submitted', ONE}, {'rating_sum', NUMBER}},
    refund_requested = {{'refunds_requested', ONE}, {'refund_amount', MONEY}},
    subscription_cancelled = {{'subscription_cancelled_at', NEWEST}},
}
local call, tonumber = redis.call, tonumber
local counted = 0
for i, key in ipairs(KEYS) do
    local at = i * 6 - 5
    local mark, offset, kind, time = ARGV[at], ARGV[at + 1] + 0, ARGV[at + 2], ARGV[at + 3]
    local effect = effects[kind]
    local names = {mark, 'events_total', 'first_event_at', 'last_event_at'}
    for j, e in ipairs(effect) do names[j + 4] = e[1] end
    local old = call('HMGET', key, unpack(names))
    if not old[1] or offset >= tonumber(old[1]) then
        local new = {mark, offset + 1, 'events_total', (old[2] or 0) + 1}
        local ms, n = time + 0, 4
        if not old[3] or ms < tonumber(old[3]) then new[n + 1], new[n + 2], n = 'first_event_at', time, n + 2 end
        if not old[4] or ms >= tonumber(old[4]) then
            new[n + 1], new[n + 2], new[n + 3], new[n + 4], n = 'last_event_at', time, 'last_event_type', kind, n + 4
        end
        for j, e in ipairs(effect) do
            local how, was, value = e[2], old[j + 4], nil
            if how == ONE then value = (was or 0) + 1
            elseif how == MONEY then value = (was or 0) + ARGV[at + 4]
            elseif how == NUMBER then value = (was or 0) + ARGV[at + 5]
            elseif not was or ms > tonumber(was) then value = time end
            if value then new[n + 1], new[n + 2], n = e[1], value, n + 2 end
        end
        call('HSET', key, unpack(new))
        counted = counted + 1
    end
end
return counted
