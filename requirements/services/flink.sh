#!/usr/bin/env bash
# A Flink mini-cluster with Beam's job server, without Docker: jars in .tools/flink. Needs Java 17 and Maven.
# The job server of Beam 2.77 is not in every Maven index; 2.54's has been seen to run Python 2.77 pipelines.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=2.54.0
target=.tools/flink
[ -e "$target/job-server.jar" ] && exit 0
for tool in java jar mvn; do
  command -v $tool >/dev/null || { echo "flink: $tool is missing: apt-get install default-jdk-headless maven" >&2; exit 1; }
done
rm -rf "$target"
mkdir -p "$target"
cat > "$target/pom.xml" <<POM
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>livebert</groupId><artifactId>flink</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.beam</groupId><artifactId>beam-runners-flink-1.16</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.30</version></dependency>
  </dependencies>
</project>
POM
mvn -q -B -f "$target/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=lib
{
  echo "Main-Class: org.apache.beam.runners.flink.FlinkJobServerDriver"
  echo "Add-Opens: java.base/java.lang java.base/java.util java.base/java.nio java.base/sun.nio.ch java.base/java.time java.base/java.util.concurrent java.base/java.lang.invoke" | fold -w 70 | sed '2,$s/^/ /'
  echo "Class-Path: $(cd "$target" && printf '%s ' lib/*.jar)" | fold -w 70 | sed '2,$s/^/ /'
} > "$target/manifest.txt"
jar cfm "$target/job-server.jar" "$target/manifest.txt"
echo "flink: Beam's job server $version is in $target/job-server.jar"
