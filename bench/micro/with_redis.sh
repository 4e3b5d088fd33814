#!/bin/sh
# with_redis.sh COMMAND…: runs it beside a redis-server of its own, whose port is in REDIS_PORT.
set -eu
redis=
trap '[ -z "$redis" ] || kill "$redis" 2>/dev/null || true' EXIT
for _ in 1 2 3 4 5; do
    REDIS_PORT=$(shuf -i 20000-32000 -n 1)
    redis-server --bind 127.0.0.1 --port "$REDIS_PORT" --save '' --appendonly no >/dev/null &
    redis=$!
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        sleep 0.1
        if ! kill -0 "$redis" 2>/dev/null; then
            break # the port was taken
        fi
        if [ "$(redis-cli -p "$REDIS_PORT" ping 2>/dev/null)" = PONG ]; then
            export REDIS_PORT REDIS_HOST=127.0.0.1
            "$@"
            exit
        fi
    done
done
echo "with_redis.sh: redis-server did not start" >&2
exit 1
