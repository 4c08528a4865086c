#!/usr/bin/env bash
# Apache Kafka's broker, without Docker: its jars go to .tools/kafka. Needs Java 11+ and Maven.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=3.9.1
target=.tools/kafka/$version
[ -e "$target/.ready" ] && exit 0
for tool in java mvn; do
  command -v $tool >/dev/null || { echo "kafka: $tool is missing: apt-get install default-jre-headless maven" >&2; exit 1; }
done
rm -rf "$target"
mkdir -p "$target"
cat > "$target/pom.xml" <<POM
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>livebert</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
  </dependencies>
</project>
POM
mvn -q -B -f "$target/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=lib
touch "$target/.ready"
echo "kafka: $version is in $target"
