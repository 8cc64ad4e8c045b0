#!/usr/bin/env bash
# Renders the recordings of crates/providers/recorded anew: mu-law WAV, 8 kHz, speech at -20 dB, silence trimmed.
# Needs: apt-get install flite espeak-ng sox
set -euo pipefail
cd "$(dirname "$0")/../crates/providers/recorded"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# english <name> <text>: flite's voice slt.
english() {
  flite -voice slt -t "$2" -o "$work/raw.wav"
  finish "en-$1"
}

# hindi <name> <text>: espeak-ng's voice hi, a little slower than its usual.
hindi() {
  espeak-ng -v hi+f3 -s 140 -w "$work/raw.wav" "$2"
  finish "hi-$1"
}

finish() {
  sox "$work/raw.wav" -b 16 -r 8000 -c 1 "$work/trimmed.wav" highpass 100 \
    silence 1 0.02 1% reverse silence 1 0.02 1% reverse pad 0.02 0.04
  local level
  level=$(sox "$work/trimmed.wav" -n stats 2>&1 | awk '/^RMS lev dB/ { print $4 }')
  sox -D "$work/trimmed.wav" -e mu-law "$1.wav" gain "$(awk -v level="$level" 'BEGIN { print -20 - level }')"
  echo "$1: $(soxi -D "$1.wav") s"
}

english greeting 'Hello. Please go ahead.'
english filler 'One moment, please.'
english apology 'I am sorry, there is a technical problem.'
english goodbye 'Goodbye.'
hindi greeting 'नमस्ते। कृपया बोलिए।'
hindi filler 'कृपया एक क्षण रुकिए।'
hindi apology 'क्षमा करें, तकनीकी समस्या आ गई है।'
hindi goodbye 'धन्यवाद। नमस्ते।'
