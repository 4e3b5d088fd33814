import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/** W2 with Kafka Streams: keep the events that alert, produce their alerts. */
final class Alerts implements Processor<byte[], byte[], byte[], byte[]> {
    private static final Map<String, String> SEVERITY = Map.of("payment_failed", "critical", "support_ticket_created",
            "warning", "refund_requested", "warning", "subscription_cancelled", "critical");
    private final ObjectMapper json =
            new ObjectMapper().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS);
    private ProcessorContext<byte[], byte[]> context;

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        try {
            JsonNode event = json.readTree(record.value());
            if (SEVERITY.containsKey(event.get("event_type").textValue())) {
                context.forward(record.withValue(json.writeValueAsBytes(alert(event))));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Peer.seen();
    }

    private ObjectNode alert(JsonNode event) {
        RecordMetadata place = context.recordMetadata().orElseThrow();
        String type = event.get("event_type").textValue(), customer = event.get("customer_id").textValue();
        boolean urgent = event.get("data").path("priority").asText().equals("urgent");
        ObjectNode alert = json.createObjectNode();
        alert.put("alert_id", place.topic() + "/" + place.partition() + "/" + place.offset());
        alert.put("severity", urgent ? "critical" : SEVERITY.get(type));
        alert.put("event_id", event.get("event_id").textValue());
        alert.put("event_type", type);
        alert.put("customer_id", customer);
        alert.put("timestamp", event.get("timestamp").textValue());
        alert.put("message", type + " of " + customer);
        alert.set("data", event.get("data"));
        return alert;
    }

    public static void main(String[] args) throws Exception {
        Topology topology = new Topology();
        topology.addSource("events", Peer.env("BENCH_TOPIC"));
        topology.addProcessor("alerts", Alerts::new, "events");
        topology.addSink("target", Peer.env("BENCH_ALERTS"), "alerts");
        Peer.run(topology);
    }
}
