import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.StateStoreContext;
import org.apache.kafka.streams.state.StoreBuilder;
import redis.clients.jedis.Jedis;

/** The events of one partition that wait for their call of the script. It is a state store because Kafka Streams flushes
 * stores before it commits offsets: so no offset is committed whose event is not in Redis. */
final class RedisBatch implements StateStore {
    static final String NAME = "redis-batch";
    private static final int SIZE = 500;

    private final Jedis jedis = new Jedis(Peer.env("REDIS_HOST"), Integer.parseInt(Peer.env("REDIS_PORT")));
    private final ObjectMapper json = new ObjectMapper();
    private final List<Object[]> rows = new ArrayList<>();
    private final String sha;

    private RedisBatch(String script) {
        sha = jedis.scriptLoad(script);
    }

    /** An event as the script takes it. */
    void add(Object... row) {
        rows.add(row);
        if (rows.size() == SIZE) {
            flush();
        }
    }

    @Override
    public void flush() {
        if (rows.isEmpty()) {
            return;
        }
        try {
            jedis.evalsha(sha, 0, json.writeValueAsString(rows));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
        rows.clear();
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public void init(StateStoreContext context, StateStore root) {
        context.register(root, (key, value) -> { });
    }

    @Override
    public void close() {
        jedis.close();
    }

    @Override
    public boolean persistent() {
        return false;
    }

    @Override
    public boolean isOpen() {
        return jedis.isConnected();
    }

    static StoreBuilder<RedisBatch> builder(String script) {
        return new StoreBuilder<>() {
            @Override
            public RedisBatch build() {
                return new RedisBatch(script);
            }

            @Override
            public String name() {
                return NAME;
            }

            @Override
            public boolean loggingEnabled() {
                return false;
            }

            @Override
            public Map<String, String> logConfig() {
                return Map.of();
            }

            @Override
            public StoreBuilder<RedisBatch> withCachingEnabled() {
                return this;
            }

            @Override
            public StoreBuilder<RedisBatch> withCachingDisabled() {
                return this;
            }

            @Override
            public StoreBuilder<RedisBatch> withLoggingEnabled(Map<String, String> config) {
                return this;
            }

            @Override
            public StoreBuilder<RedisBatch> withLoggingDisabled() {
                return this;
            }
        };
    }
}
