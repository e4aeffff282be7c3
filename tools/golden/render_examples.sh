#!/bin/sh
# Renders every spec of examples/ into examples/rendered/, which the tests compare with.
# Usage: tools/golden/render_examples.sh [build/release/hadal]
set -eu
cd "$(dirname "$0")/../.."
hadal=${1:-build/release/hadal}
mkdir -p examples/rendered
rm -f examples/rendered/*.yaml
for spec in examples/*.yaml; do
  "$hadal" deploy render "$spec" --output "examples/rendered/$(basename "$spec")"
done
