// SPDX-License-Identifier: Apache-2.0
#include "script.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "tcp/segment.h"

namespace weft::conformance {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) {
    if (!part.empty()) {
      parts.push_back(part);
    }
  }
  return parts;
}

template <typename Number>
Number number_from(const std::string& text, int base = 10) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw Failure("\"" + text + "\" is no number that fits");
  }
  return number;
}

// Small, so that many engines are made quickly; what is to be bounded is bounded in the script.
tcp::Config small_config() {
  tcp::Config config;
  config.connections = 16;
  config.half_open = 16;
  config.time_waits = 16;
  config.pieces = 8192;  // an eighth of them holds a receive buffer
  config.ranges = 128;
  config.listeners = 4;
  return config;
}

template <auto Member>
void set(tcp::Config& config, const std::string& text) {
  using Value = std::remove_reference_t<decltype(config.*Member)>;
  if constexpr (std::is_same_v<Value, bool>) {
    if (text != "on" && text != "off") {
      throw Failure("neither on nor off: " + text);
    }
    config.*Member = text == "on";
  } else if constexpr (std::is_same_v<Value, tcp::Config::Duration>) {
    config.*Member = tcp::Config::Duration(number_from<int64_t>(text));
  } else {
    config.*Member = number_from<Value>(text);
  }
}

const std::map<std::string, void (*)(tcp::Config&, const std::string&)> kSettings = {
    {"connections", set<&tcp::Config::connections>},
    {"half_open", set<&tcp::Config::half_open>},
    {"time_waits", set<&tcp::Config::time_waits>},
    {"pieces", set<&tcp::Config::pieces>},
    {"receive_buffer", set<&tcp::Config::receive_buffer>},
    {"send_buffer", set<&tcp::Config::send_buffer>},
    {"ranges", set<&tcp::Config::ranges>},
    {"max_ranges", set<&tcp::Config::max_ranges>},
    {"mtu", set<&tcp::Config::mtu>},
    {"timestamps", set<&tcp::Config::timestamps>},
    {"window_scale", set<&tcp::Config::window_scale>},
    {"selective_acks", set<&tcp::Config::selective_acks>},
    {"tolerate_missing_timestamps", set<&tcp::Config::tolerate_missing_timestamps>},
    {"initial_rto", set<&tcp::Config::initial_rto>},
    {"min_rto", set<&tcp::Config::min_rto>},
    {"max_rto", set<&tcp::Config::max_rto>},
    {"data_retries", set<&tcp::Config::data_retries>},
    {"syn_ack_retries", set<&tcp::Config::syn_ack_retries>},
    {"connect_timeout", set<&tcp::Config::connect_timeout>},
    {"delayed_ack", set<&tcp::Config::delayed_ack>},
    {"time_wait", set<&tcp::Config::time_wait>},
    {"fin_wait_2", set<&tcp::Config::fin_wait_2>},
    {"keepalive_idle", set<&tcp::Config::keepalive_idle>},
    {"keepalive_interval", set<&tcp::Config::keepalive_interval>},
    {"keepalive_probes", set<&tcp::Config::keepalive_probes>},
};

/// "40", "0.5", "3s", "24d"
Duration parse_duration(std::string text) {
  int64_t unit = 1'000;
  if (!text.empty() && (text.back() == 's' || text.back() == 'd')) {
    unit = text.back() == 's' ? 1'000'000 : int64_t{86'400} * 1'000'000;
    text.pop_back();
  }
  const size_t point = text.find('.');
  int64_t whole = number_from<int64_t>(text.substr(0, point)) * unit;
  if (point != std::string::npos) {
    for (const char digit : text.substr(point + 1)) {
      unit /= 10;
      whole += number_from<int64_t>(std::string(1, digit)) * unit;
    }
  }
  return Duration(whole);
}

uint8_t parse_flags(const std::string& text) {
  static const std::string kLetters = "FSRPAUEC";  // from the lowest bit
  uint8_t flags = 0;
  for (const char letter : text == "-" ? "" : text) {
    const size_t bit = kLetters.find(letter);
    if (bit == std::string::npos) {
      throw Failure("no such flags: " + text);
    }
    flags |= static_cast<uint8_t>(1U << bit);
  }
  return flags;
}

/// "100", "T1", "T1+10", "any"
Stamp parse_stamp(const std::string& text) {
  Stamp stamp;
  if (text == "any") {
    stamp.is_any = true;
  } else if (text[0] >= '0' && text[0] <= '9') {
    stamp.number = number_from<uint32_t>(text);
  } else {
    const size_t sign = text.find_first_of("+-");
    stamp.name = text.substr(0, sign);
    if (sign != std::string::npos) {
      const auto offset = number_from<uint32_t>(text.substr(sign + 1));
      stamp.number = text[sign] == '+' ? offset : -offset;
    }
  }
  return stamp;
}

OptionList parse_options(const std::string& text) {
  OptionList options;
  for (const std::string& part : split(text, ',')) {
    const std::vector<std::string> words = split(part, ' ');
    const auto is = [&](const char* name, size_t values) { return words[0] == name && words.size() == values + 1; };
    if (words.empty()) {
      throw Failure("an option without a name");
    }
    if (is("mss", 1)) {
      options.is_our_mss = words[1] == "ours";
      options.mss = options.is_our_mss ? uint16_t{0} : number_from<uint16_t>(words[1]);
    } else if (is("shift", 1)) {
      options.shift = number_from<uint8_t>(words[1]);
    } else if (is("sack-ok", 0)) {
      options.sack_permitted = true;
    } else if (is("ts", 2)) {
      options.timestamps = {parse_stamp(words[1]), parse_stamp(words[2])};
    } else if (is("raw", 1)) {
      for (size_t at = 0; at < words[1].size(); at += 2) {
        options.raw.push_back(number_from<uint8_t>(words[1].substr(at, 2), 16));
      }
    } else if (words[0] == "sack" && words.size() > 1) {
      for (size_t i = 1; i < words.size(); ++i) {
        const std::vector<std::string> ends = split(words[i], ':');
        options.blocks.emplace_back(parse_sequence(ends.at(0)), parse_sequence(ends.at(1)));
      }
    } else {
      throw Failure("no such option: " + part);
    }
  }
  return options;
}

/// @param words from the flags on, without options
SegmentLine parse_segment(const std::vector<std::string>& words) {
  SegmentLine segment;
  if (words.size() < 2) {
    throw Failure("a segment has flags and a sequence number");
  }
  segment.flags = parse_flags(words[0]);
  const size_t colon = words[1].find(':');
  segment.begin = parse_sequence(words[1].substr(0, colon));
  if (colon != std::string::npos) {
    segment.length = parse_sequence(words[1].substr(colon + 1)).number - segment.begin.number;
    if (segment.length > UINT16_MAX) {
      throw Failure("it ends before it begins, or is too long: " + words[1]);
    }
  }
  for (size_t i = 2; i < words.size(); ++i) {
    if (words[i] == "ack" && i + 1 < words.size()) {
      segment.acknowledgment = parse_sequence(words[++i]);
    } else if (words[i] == "win" && i + 1 < words.size()) {
      segment.window = number_from<uint16_t>(words[++i]);
    } else if (words[i] == "garbage") {
      segment.is_garbage = true;
    } else {
      throw Failure("what is \"" + words[i] + "\" in a segment?");
    }
  }
  if (segment.acknowledgment.has_value() != ((segment.flags & tcp::flag::ack) != 0)) {
    throw Failure("the flag A and \"ack\" go together");
  }
  return segment;
}

void parse_times(const std::string& text, Step& step) {
  if (text == "&") {
    step.same_turn = true;
    return;
  }
  const size_t dots = text.find("..");
  if (text[0] != '+') {
    throw Failure("a step begins with +time or &: " + text);
  }
  step.earliest = parse_duration(text.substr(1, dots == std::string::npos ? dots : dots - 1));
  step.latest = dots == std::string::npos ? step.earliest : parse_duration(text.substr(dots + 2));
}

Step parse_step(std::string text) {
  Step step;
  step.text = text;
  std::optional<OptionList> options;
  const size_t bracket = text.find('[');
  if (bracket != std::string::npos) {
    if (text.back() != ']') {
      throw Failure("options end the line: ]");
    }
    options = parse_options(text.substr(bracket + 1, text.size() - bracket - 2));
    text.resize(bracket);
  }
  std::vector<std::string> words = split(text, ' ');
  parse_times(words[0], step);
  words.erase(words.begin());
  if (words.size() > 2 && words[0] == "on") {
    step.connection = number_from<uint32_t>(words[1]);
    words.erase(words.begin(), words.begin() + 2);
  }
  if (words.empty()) {
    throw Failure("nothing to do");
  }
  if (words[0] == "<" || words[0] == ">") {
    step.kind = words[0] == "<" ? Step::Kind::arrive : Step::Kind::expect;
    step.segment = parse_segment({words.begin() + 1, words.end()});
    step.segment.options = options;
  } else {
    step.words = words;
  }
  if (step.earliest != step.latest && step.kind != Step::Kind::expect) {
    throw Failure("only what is expected has a range of time");
  }
  return step;
}

void read_file(const std::filesystem::path& path, Script& script);

/// @param folder where "use" finds openings
void read_line(const std::string& line, const std::filesystem::path& folder, Script& script) {
  const std::vector<std::string> words = split(line, ' ');
  if (words[0] == "use" && words.size() == 2) {
    read_file(folder / "openings" / (words[1] + ".tcp"), script);
  } else if (words[0] == "family" && words.size() == 2) {
    script.family = number_from<int>(words[1]);
  } else if (words[0] == "config") {
    for (const std::string& part : split(line.substr(line.find("config") + 6), ',')) {
      const std::vector<std::string> setting = split(part, ' ');
      if (setting.size() != 2 || !kSettings.contains(setting[0])) {
        throw Failure("no such setting: " + part);
      }
      kSettings.at(setting[0])(script.config, setting[1]);
    }
  } else {
    script.steps.push_back(parse_step(line));
  }
}

void read_lines(std::istream& in, const std::string& name, const std::filesystem::path& folder, Script& script) {
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    line = line.substr(0, line.find('#'));
    line.erase(line.find_last_not_of(" \r") + 1);
    if (line.empty()) {
      continue;
    }
    const std::string place = name + ":" + std::to_string(number);
    try {
      read_line(line, folder, script);
    } catch (const Failure& failure) {
      throw Failure(place + ": " + failure.what() + "\n    " + line);
    }
    if (!script.steps.empty() && script.steps.back().place.empty()) {
      script.steps.back().place = place;
    }
  }
}

void read_file(const std::filesystem::path& path, Script& script) {
  std::ifstream in(path);
  if (!in) {
    throw Failure("can't read " + path.string());
  }
  read_lines(in, path.filename().string(), path.parent_path(), script);
}

}  // namespace

Script read_script(const std::filesystem::path& path) {
  Script script;
  script.name = path.stem().string();
  script.config = small_config();
  read_file(path, script);
  return script;
}

Script parse_script(const std::string& name, const std::string& text) {
  Script script;
  script.name = name;
  script.config = small_config();
  std::istringstream in(text);
  read_lines(in, name, {}, script);
  return script;
}

uint64_t parse_number(const std::string& text) {
  return number_from<uint64_t>(text);
}

Sequence parse_sequence(const std::string& text) {
  Sequence sequence;
  sequence.is_absolute = !text.empty() && text[0] == '=';
  sequence.number = static_cast<uint32_t>(number_from<int64_t>(sequence.is_absolute ? text.substr(1) : text));
  return sequence;
}

}  // namespace weft::conformance
