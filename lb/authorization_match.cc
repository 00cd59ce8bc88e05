// SPDX-License-Identifier: Apache-2.0
#include "lb/authorization_match.h"

#include <algorithm>

#include "lb/bytes.h"

namespace weft::lb {
namespace {

constexpr std::string_view kJoint = ", ";

/// A header's values as if they stood side by side, without a copy.
class Joined {
 public:
  Joined(std::string_view name, std::span<const HttpField> fields) : name_(name), fields_(fields) {
    each([this](std::string_view part) {
      size_ += part.size();
      return true;
    });
  }

  bool is_there() const { return size_ > 0; }
  bool matches(const TextPattern& pattern) const {
    const std::string_view text = pattern.text;
    switch (pattern.kind) {
      case TextPattern::Kind::exact:
        return size_ == text.size() && has_at(0, text);
      case TextPattern::Kind::prefix:
        return size_ >= text.size() && has_at(0, text);
      case TextPattern::Kind::suffix:
        return size_ >= text.size() && has_at(size_ - text.size(), text);
      case TextPattern::Kind::any:
        return is_there();
      case TextPattern::Kind::path_template:
        break;
    }
    return false;
  }

 private:
  /// Calls use(part) for values and what joins them, until it says no.
  template <typename Use>
  void each(Use use) const {
    bool is_first = true;
    for (const HttpField& field : fields_) {
      if (!same_name(field.name, name_)) {
        continue;
      }
      if ((!is_first && !use(kJoint)) || !use(field.value)) {
        return;
      }
      is_first = false;
    }
  }
  bool has_at(size_t skip, std::string_view text) const {
    bool same = true;
    each([&](std::string_view part) {
      const size_t skipped = std::min(skip, part.size());
      skip -= skipped;
      part.remove_prefix(skipped);
      const size_t length = std::min(part.size(), text.size());
      same = part.substr(0, length) == text.substr(0, length);
      text.remove_prefix(length);
      return same && !text.empty();
    });
    return same && text.empty();
  }

  std::string_view name_;
  std::span<const HttpField> fields_;
  size_t size_ = 0;
};

/// One of `is` if there are any, and none of `is_not`, as `matches` tells.
template <typename Condition, typename Matches>
bool holds_by(const Condition& condition, Matches matches) {
  return (condition.is.empty() || std::any_of(condition.is.begin(), condition.is.end(), matches)) &&
         std::none_of(condition.is_not.begin(), condition.is_not.end(), matches);
}

std::string_view take_segment(std::string_view& path) {
  path.remove_prefix(1);  // the slash
  const std::string_view segment = path.substr(0, std::min(path.find('/'), path.size()));
  path.remove_prefix(segment.size());
  return segment;
}

}  // namespace

/// Envoy's URI templates: "{*}" is one segment that is not empty, "{**}" any number of characters, slashes too.
bool matches_template(std::string_view path_template, std::string_view path) {
  while (!path_template.empty()) {
    if (path_template.front() != '/') {
      return false;
    }
    std::string_view rest = path_template;
    const std::string_view expected = take_segment(rest);
    if (expected == "{**}") {
      // What follows is literal, so it is the path's end.
      return path.starts_with('/') && path.size() - 1 >= rest.size() && path.ends_with(rest);
    }
    if (!path.starts_with('/')) {
      return false;
    }
    const std::string_view segment = take_segment(path);
    if (expected == "{*}" ? segment.empty() : segment != expected) {
      return false;
    }
    path_template = rest;
  }
  return path.empty();
}

bool matches(const TextPattern& pattern, std::string_view text) {
  switch (pattern.kind) {
    case TextPattern::Kind::exact:
      return text == pattern.text;
    case TextPattern::Kind::prefix:
      return text.starts_with(pattern.text);
    case TextPattern::Kind::suffix:
      return text.ends_with(pattern.text);
    case TextPattern::Kind::any:
      return !text.empty();
    case TextPattern::Kind::path_template:
      return matches_template(pattern.text, text);
  }
  return false;
}

bool holds(const TextCondition& condition, std::string_view text) {
  return holds_by(condition, [&](const TextPattern& pattern) { return matches(pattern, text); });
}

bool holds(const TextCondition& condition, std::span<const std::string> texts) {
  return holds_by(condition, [&](const TextPattern& pattern) {
    return std::any_of(texts.begin(), texts.end(), [&](const std::string& text) { return matches(pattern, text); });
  });
}

bool holds(const AddressCondition& condition, const Address& address) {
  return holds_by(condition, [&](const Prefix& prefix) { return prefix.contains(address); });
}

bool holds(const PortCondition& condition, uint16_t port) {
  return holds_by(condition, [&](uint16_t each) { return each == port; });
}

bool holds_of_header(const TextCondition& condition, std::string_view name, std::span<const HttpField> fields) {
  const Joined value(name, fields);
  return holds_by(condition, [&](const TextPattern& pattern) { return value.matches(pattern); });
}

bool holds(const AuthorizationSource& source, const Address& client, const Caller* caller) {
  static const Caller kNobody;
  const Caller& who = caller == nullptr ? kNobody : *caller;
  return holds(source.principals, std::span(who.principals)) && holds(source.namespaces, std::span(who.namespaces)) &&
         holds(source.ip_blocks, client) && holds(source.remote_ip_blocks, client);
}

bool holds_of_source(const AuthorizationWhen& when, const Address& client, const Caller* caller) {
  static const Caller kNobody;
  const Caller& who = caller == nullptr ? kNobody : *caller;
  switch (when.key) {
    case AuthorizationWhen::Key::source_ip:
    case AuthorizationWhen::Key::remote_ip:
      return holds(when.addresses, client);
    case AuthorizationWhen::Key::source_namespace:
      return holds(when.texts, std::span(who.namespaces));
    case AuthorizationWhen::Key::source_principal:
      return holds(when.texts, std::span(who.principals));
    case AuthorizationWhen::Key::header:
    case AuthorizationWhen::Key::destination_ip:
    case AuthorizationWhen::Key::destination_port:
      break;
  }
  return false;
}

bool holds(const AuthorizationOperation& operation, const HttpRequest& request) {
  return holds(operation.hosts, request.host) && holds(operation.methods, request.method) &&
         holds(operation.paths, request.path);
}

}  // namespace weft::lb
