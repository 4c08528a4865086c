#!/usr/bin/env bash
# Beam's Java KafkaIO behind an expansion service, for tests of its graph: jars in .tools/kafka_io. Needs Java and Maven.
# Beam fetches a jar of its own where there is internet; that of 2.77 is not in every Maven index, 2.73's takes its requests.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=2.73.0
target=.tools/kafka_io
[ -e "$target/.ready" ] && exit 0
for tool in java mvn; do
  command -v $tool >/dev/null || { echo "kafka_io: $tool is missing: apt-get install default-jdk-headless maven" >&2; exit 1; }
done
rm -rf "$target"
mkdir -p "$target"
cat > "$target/pom.xml" <<POM
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>livebert</groupId><artifactId>kafka-io</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.beam</groupId><artifactId>beam-sdks-java-expansion-service</artifactId><version>$version</version></dependency>
    <dependency>
      <groupId>org.apache.beam</groupId><artifactId>beam-sdks-java-io-kafka</artifactId><version>$version</version>
      <exclusions><exclusion><groupId>io.confluent</groupId><artifactId>*</artifactId></exclusion></exclusions>
    </dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-clients</artifactId><version>3.9.1</version></dependency>
  </dependencies>
</project>
POM
mvn -q -B -f "$target/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=lib
touch "$target/.ready"
echo "kafka_io: Beam's KafkaIO $version is in $target/lib"
