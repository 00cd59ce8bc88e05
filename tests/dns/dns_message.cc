// SPDX-License-Identifier: Apache-2.0
#include "dns_message.h"

#include <arpa/inet.h>

#include <array>
#include <map>

namespace weft::test {
namespace {

void put(Bytes& to, uint32_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) {
    to.push_back(static_cast<std::byte>(value >> 8 * i));
  }
}

void put_name(Bytes& to, std::string_view name) {
  while (!name.empty()) {
    const size_t dot = std::min(name.find('.'), name.size());
    put(to, static_cast<uint32_t>(dot), 1);
    for (const char c : name.substr(0, dot)) {
      to.push_back(static_cast<std::byte>(c));
    }
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  put(to, 0, 1);
}

struct Malformed {};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> message) : message_(message) {}

  uint32_t number(int bytes) {
    uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) {
      value = value << 8 | byte(at_++);
    }
    return value;
  }
  std::string name() {
    std::string text;
    size_t at = at_;
    bool jumped = false;
    for (int jumps = 0;;) {
      const uint32_t size = byte(at);
      if (size >= 0xc0) {
        const size_t to = (size & 0x3f) << 8 | byte(at + 1);
        at_ = jumped ? at_ : at + 2;
        jumped = true;
        if (to >= at || ++jumps > 20) {
          throw Malformed();
        }
        at = to;
        continue;
      }
      ++at;
      if (size == 0) {
        break;
      }
      for (uint32_t i = 0; i < size; ++i) {
        text += static_cast<char>(byte(at++));
      }
      text += '.';
    }
    at_ = jumped ? at_ : at;
    return text.empty() ? "." : text;
  }
  std::string address(int family, size_t bytes) {
    std::array<char, 64> text{};
    byte(at_ + bytes - 1);
    inet_ntop(family, message_.data() + at_, text.data(), text.size());
    at_ += bytes;
    return text.data();
  }
  std::string characters() {
    std::string text = "\"";
    for (uint32_t size = number(1); size > 0; --size) {
      text += static_cast<char>(number(1));
    }
    return text + "\"";
  }
  size_t at() const { return at_; }
  bool is_at_end() const { return at_ == message_.size(); }

 private:
  uint32_t byte(size_t at) const {
    if (at >= message_.size()) {
      throw Malformed();
    }
    return std::to_integer<uint32_t>(message_[at]);
  }

  std::span<const std::byte> message_;
  size_t at_ = 0;
};

std::string type_name(uint32_t type) {
  static const std::map<uint32_t, std::string> kNames = {{1, "A"},      {2, "NS"},   {6, "SOA"},   {12, "PTR"},
                                                         {13, "HINFO"}, {16, "TXT"}, {28, "AAAA"}, {33, "SRV"}};
  const auto known = kNames.find(type);
  return known == kNames.end() ? "TYPE" + std::to_string(type) : known->second;
}

std::string record(Reader& reader) {
  const std::string name = reader.name();
  const uint32_t type = reader.number(2);
  const uint32_t klass = reader.number(2);
  const uint32_t ttl = reader.number(4);
  const uint32_t length = reader.number(2);
  const size_t end = reader.at() + length;
  if (type == 41) {
    std::string text = "OPT " + std::to_string(klass);
    text += ttl >> 24 != 0 ? " code " + std::to_string(ttl >> 24) : "";
    text += (ttl & 0x8000) != 0 ? " do" : "";
    if (name != "." || length != 0) {
      throw Malformed();
    }
    return text;
  }
  std::string text = name + " " + std::to_string(ttl) + " " + type_name(type);
  switch (type) {
    case 1:
      text += " " + reader.address(AF_INET, 4);
      break;
    case 28:
      text += " " + reader.address(AF_INET6, 16);
      break;
    case 2:
    case 12:
      text += " " + reader.name();
      break;
    case 6:
      text += " " + reader.name();
      text += " " + reader.name();
      for (int i = 0; i < 5; ++i) {
        text += " " + std::to_string(reader.number(4));
      }
      break;
    case 13:
      text += " " + reader.characters();
      text += " " + reader.characters();
      break;
    case 16:
      text += " " + reader.characters();
      break;
    case 33:
      for (int i = 0; i < 3; ++i) {
        text += " " + std::to_string(reader.number(2));
      }
      text += " " + reader.name();
      break;
    default:
      reader.number(static_cast<int>(length));
  }
  if (reader.at() != end || (klass != 1)) {
    throw Malformed();
  }
  return text;
}

struct Told {
  std::string header;
  std::string question;
  std::array<std::vector<std::string>, 3> sections;
};

Told told(std::span<const std::byte> message) {
  Reader reader(message);
  Told result;
  reader.number(2);
  const uint32_t flags = reader.number(2);
  static const std::map<uint32_t, std::string> kCodes = {{0, "NOERROR"},  {1, "FORMERR"}, {2, "SERVFAIL"},
                                                         {3, "NXDOMAIN"}, {4, "NOTIMP"},  {5, "REFUSED"}};
  result.header = kCodes.contains(flags & 15) ? kCodes.at(flags & 15) : "RCODE" + std::to_string(flags & 15);
  static const std::pair<uint32_t, const char*> kFlags[] = {{0x8000, " qr"}, {0x0400, " aa"}, {0x0200, " tc"},
                                                            {0x0100, " rd"}, {0x0080, " ra"}, {0x0010, " cd"}};
  for (const auto& [bit, name] : kFlags) {
    result.header += (flags & bit) != 0 ? name : "";
  }
  std::array<uint32_t, 4> counts{};
  for (uint32_t& count : counts) {
    count = reader.number(2);
  }
  for (uint32_t i = 0; i < counts[0]; ++i) {
    result.question = reader.name();
    result.question += " " + type_name(reader.number(2)) + "?";
    reader.number(2);
  }
  for (size_t section = 0; section < 3; ++section) {
    for (uint32_t i = 0; i < counts[section + 1]; ++i) {
      result.sections[section].push_back(record(reader));
    }
  }
  if (!reader.is_at_end()) {
    throw Malformed();
  }
  return result;
}

}  // namespace

Bytes dns_query(const Asked& asked) {
  Bytes message;
  put(message, asked.id, 2);
  put(message, asked.flags, 2);
  put(message, 1, 2);
  put(message, 0, 2);
  put(message, 0, 2);
  put(message, asked.edns ? 1 : 0, 2);
  put_name(message, asked.name);
  put(message, asked.type, 2);
  put(message, asked.klass, 2);
  if (asked.edns) {
    put(message, 0, 1);
    put(message, 41, 2);
    put(message, *asked.edns, 2);
    put(message, static_cast<uint32_t>(asked.version) << 16 | (asked.dnssec_ok ? 0x8000 : 0), 4);
    put(message, 0, 2);
  }
  return message;
}

Bytes bytes_of(std::string_view hex) {
  std::string digits;
  for (const char c : hex) {
    digits += c != ' ' && c != '\n' ? std::string(1, c) : "";
  }
  Bytes bytes;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::string dns_text(std::span<const std::byte> message) {
  try {
    const Told all = told(message);
    std::string text = all.header + " ; " + all.question;
    for (const auto& section : all.sections) {
      text += " ;";
      for (const std::string& each : section) {
        text += " " + each;
        text += &each != &section.back() ? "," : "";
      }
    }
    return text;
  } catch (const Malformed&) {
    return "malformed";
  }
}

std::vector<std::string> dns_section(std::span<const std::byte> message, int section) {
  try {
    return told(message).sections.at(static_cast<size_t>(section - 1));
  } catch (const Malformed&) {
    return {"malformed"};
  }
}

}  // namespace weft::test
