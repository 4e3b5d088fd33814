import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Map;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/** W1 with Kafka Streams and Jedis: batches of 500 events of one partition, each one call of the script. */
final class Profiles implements Processor<byte[], byte[], Void, Void> {
    private static final Map<String, String> MONEY = Map.of("order_placed", "order_value", "payment_failed", "amount",
            "cart_abandoned", "cart_value", "refund_requested", "amount");
    private static final Map<String, String> NUMBER = Map.of("order_placed", "items_count", "review_submitted", "rating");
    private final ObjectMapper json =
            new ObjectMapper().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS);
    private ProcessorContext<Void, Void> context;
    private RedisBatch batch;

    @Override
    public void init(ProcessorContext<Void, Void> context) {
        this.context = context;
        batch = context.getStateStore(RedisBatch.NAME);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        RecordMetadata place = context.recordMetadata().orElseThrow();
        try {
            add(json.readTree(record.value()), place);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Peer.seen();
    }

    private void add(JsonNode event, RecordMetadata place) {
        String type = event.get("event_type").textValue();
        JsonNode data = event.get("data");
        String money = MONEY.get(type), number = NUMBER.get(type);
        batch.add("profile:" + event.get("customer_id").textValue(), "_m:" + place.topic() + "/" + place.partition(),
                place.offset(), type, Instant.parse(event.get("timestamp").textValue()).toEpochMilli(),
                money == null ? 0 : data.get(money).decimalValue().movePointRight(4).longValueExact(),
                number == null ? 0 : data.get(number).longValue());
    }

    public static void main(String[] args) throws Exception {
        String script = Files.readString(Path.of(args[0]));
        Topology topology = new Topology();
        topology.addSource("events", Peer.env("BENCH_TOPIC"));
        topology.addProcessor("profiles", Profiles::new, "events");
        topology.addStateStore(RedisBatch.builder(script), "profiles");
        Peer.run(topology);
    }
}
