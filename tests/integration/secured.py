"""A Kafka as a bank runs it: TLS on each listener but the tests' own, logins of every kind, and ACLs."""

from certificates import Authority
from confluent_kafka.admin import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from identity_provider import IdentityProvider
from services import Kafka

USER, PASSWORD = "churn", "correct-horse-7"

LOGINS = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule required",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule required",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule required",
    "OAUTHBEARER": "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required",
}


class SecuredKafka(Kafka):
    """Listeners `TLS`, `MUTUAL` (a client certificate is asked for), `LOGIN` (TLS with SASL), each in `listeners`. The user
    of all is USER; with the ANONYMOUS of `TLS` it has what `allow` gave it."""

    def __init__(self, folder):
        folder.mkdir()
        self.ca = Authority(folder / "certificates")
        self.server = self.ca.issue("kafka")
        self.client = self.ca.issue(USER)
        self.identity = IdentityProvider(folder / "identity", {USER: PASSWORD})
        handler = "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler"
        given = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.server.both,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.ca.cert,
            "ssl.principal.mapping.rules": "RULE:^CN=(.*)$/$1/",
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.login.sasl.enabled.mechanisms": ",".join(LOGINS),
            **{f"listener.name.login.{name.lower()}.sasl.jaas.config": f"{login};" for name, login in LOGINS.items()},
            "listener.name.login.plain.sasl.jaas.config": f'{LOGINS["PLAIN"]} user_{USER}="{PASSWORD}";',
            "listener.name.login.oauthbearer.sasl.server.callback.handler.class": handler,
            "listener.name.login.oauthbearer.sasl.oauthbearer.jwks.endpoint.url": self.identity.jwks.as_uri(),
            "listener.name.login.oauthbearer.sasl.oauthbearer.expected.audience": self.identity.audience,
            "listener.name.login.oauthbearer.sasl.oauthbearer.expected.issuer": self.identity.issuer,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "auto.create.topics.enable": "false",
        }
        super().__init__(
            folder / "broker",
            properties=[f"{name}={value}" for name, value in given.items()],
            further={"TLS": "SSL", "MUTUAL": "SSL", "LOGIN": "SASL_SSL"},
            jvm=[f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.identity.jwks.as_uri()}"],
        )
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            info = ScramCredentialInfo(mechanism, 4096)
            self.manage("alter_user_scram_credentials", [UserScramCredentialUpsertion(USER, info, PASSWORD.encode())])

    def stop(self):
        super().stop()
        self.identity.stop()
