import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;

/** What both workloads share: settings, and running a topology until all events were seen. */
final class Peer {
    private static final AtomicLong left = new AtomicLong(Long.parseLong(env("BENCH_COUNT")));
    private static final CountDownLatch end = new CountDownLatch(1);
    private static volatile boolean failed;

    static String env(String name) {
        return System.getenv(name);
    }

    /** Each event is reported here once it was taken. */
    static void seen() {
        if (left.decrementAndGet() == 0) {
            end.countDown();
        }
    }

    /** Closing commits, and what is buffered is written before. */
    static void run(Topology topology) throws InterruptedException {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, env("BENCH_GROUP"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, env("KAFKA_BROKER"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, env("BENCH_STATE"));
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, env("BENCH_THREADS"));
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        try (KafkaStreams streams = new KafkaStreams(topology, settings)) {
            streams.setUncaughtExceptionHandler(e -> {
                e.printStackTrace();
                failed = true;
                end.countDown();
                return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
            });
            streams.start();
            end.await(1, TimeUnit.HOURS);
        }
        System.exit(failed ? 1 : 0);
    }
}
