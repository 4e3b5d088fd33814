-- Exact profiles, for every peer. ARGV[1]: a batch as JSON, an array of [key, the field of its partition's mark, offset,
-- event type, event time in ms, money in 1/10,000, a count]. An event below the mark was counted before and changes
-- nothing: so a batch may come twice, and cut anew, as long as each partition comes in order.
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
for _, event in ipairs(cjson.decode(ARGV[1])) do
    local key, mark, offset, kind, time, money, number = unpack(event)
    local effect = effects[kind]
    local names = {mark, 'events_total', 'first_event_at', 'last_event_at'}
    for j, e in ipairs(effect) do names[j + 4] = e[1] end
    local old = call('HMGET', key, unpack(names))
    if not old[1] or offset >= tonumber(old[1]) then
        local new = {mark, offset + 1, 'events_total', (old[2] or 0) + 1}
        local n = 4
        if not old[3] or time < tonumber(old[3]) then new[n + 1], new[n + 2], n = 'first_event_at', time, n + 2 end
        if not old[4] or time >= tonumber(old[4]) then
            new[n + 1], new[n + 2], new[n + 3], new[n + 4], n = 'last_event_at', time, 'last_event_type', kind, n + 4
        end
        for j, e in ipairs(effect) do
            local how, was, value = e[2], old[j + 4], nil
            if how == ONE then value = (was or 0) + 1
            elseif how == MONEY then value = (was or 0) + money
            elseif how == NUMBER then value = (was or 0) + number
            elseif not was or time > tonumber(was) then value = time end
            if value then new[n + 1], new[n + 2], n = e[1], value, n + 2 end
        end
        call('HSET', key, unpack(new))
        counted = counted + 1
    end
end
return counted
