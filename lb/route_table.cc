// SPDX-License-Identifier: Apache-2.0
#include "lb/route_table.h"

#include <algorithm>
#include <cassert>
#include <optional>

#include "lb/http_query.h"
#include "lb/route_index.h"
#include "lb/route_scratch.h"

namespace weft::lb {

/// One request on its way through one table. What is dear (the path's expressions, headers, parameters) is looked at
/// when the first rule asks, and then remembered.
class RouteLookUp {
 public:
  RouteLookUp(const RouteIndex& index, const HttpRequest& request, RouteTable::Scratch& scratch)
      : index_(index), request_(request), scratch_(scratch), turn_(++scratch.turn_) {}

  const RouteIndex::Entry* find() {
    for (uint32_t host = index_.hosts.find(request_.host); host != HostTable::kNone; host = index_.hosts.next(host)) {
      if (const RouteIndex::Entry* entry = find_under(host)) {
        return entry;
      }
    }
    return nullptr;
  }

 private:
  using Entry = RouteIndex::Entry;

  const Entry* find_under(uint32_t host) {
    if (const uint32_t group = index_.exact_paths.find(host, request_.path); group != TextTable::kNone) {
      if (const Entry* entry = first_of(index_.groups[group])) {
        return entry;
      }
    }
    if (index_.host_has_expressions[host]) {
      if (const Entry* entry = find_expressed(host)) {
        return entry;
      }
    }
    for (uint32_t node = index_.prefixes.find(host, request_.path); node != PathTree::kNone;
         node = index_.prefixes.shorter(node)) {
      if (const Entry* entry = first_of(index_.groups[index_.prefixes.value(node)])) {
        return entry;
      }
    }
    return nullptr;
  }

  const Entry* first_of(const RouteIndex::Group& group) {
    for (uint32_t i = 0; i < group.count; ++i) {
      const Entry& entry = index_.entries[group.first + i];
      if (holds(entry)) {
        return &entry;
      }
    }
    return nullptr;
  }

  /// Entries are numbered by precedence within a host name's expressions.
  const Entry* find_expressed(uint32_t host) {
    if (!path_matches_) {
      path_matches_ = index_.path_expressions->scan(request_.path, scratch_.matcher_.get(), scratch_.paths_.data());
    }
    uint32_t best = RouteIndex::kNone;
    for (size_t i = 0; i < *path_matches_; ++i) {
      const RouteIndex::Group& group = index_.expressed_of[scratch_.paths_[i]];
      const RouteIndex::Expressed* end = index_.expressed.data() + group.first + group.count;
      const RouteIndex::Expressed* at = std::partition_point(index_.expressed.data() + group.first, end,
                                                             [&](const auto& each) { return each.host < host; });
      for (; at != end && at->host == host && at->entry < best; ++at) {
        if (holds(index_.entries[at->entry])) {
          best = at->entry;
        }
      }
    }
    return best == RouteIndex::kNone ? nullptr : &index_.entries[best];
  }

  /// But for its path, which is known to.
  bool holds(const Entry& entry) {
    if (entry.has_method && entry.match->method != request_.method) {
      return false;
    }
    for (uint32_t i = 0; i < entry.conditions; ++i) {
      if (!holds(index_.conditions[entry.first_condition + i])) {
        return false;
      }
    }
    return true;
  }

  bool holds(const RouteIndex::Condition& condition) {
    if (!values_read_) {
      read_headers();
      read_query();
      values_read_ = true;
    }
    RouteTable::Scratch::Value& value = scratch_.values_[condition.value];
    if (value.present == turn_ && value.is_repeated) {
      join(value);
    }
    if (value.present != turn_) {
      return false;
    }
    if (condition.expression == RouteIndex::kNone) {
      return value.text == condition.text;
    }
    if (value.scanned != turn_) {
      value.scanned = turn_;
      const size_t count = index_.value_expressions->scan(value.text, scratch_.matcher_.get(), scratch_.found_.data());
      for (size_t i = 0; i < count; ++i) {
        const uint32_t expression = scratch_.found_[i];
        if (index_.value_of_expression[expression] == condition.value) {  // others may have been meant for it too
          scratch_.holds_[expression] = turn_;
        }
      }
    }
    return scratch_.holds_[condition.expression] == turn_;
  }

  void read_headers() {
    for (size_t i = 0; i < request_.fields.size(); ++i) {
      const uint32_t number = index_.asked.find_header(request_.fields[i].name);
      if (number == AskedNames::kNone) {
        continue;
      }
      RouteTable::Scratch::Value& value = scratch_.values_[number];
      if (value.present != turn_) {
        value = {.text = request_.fields[i].value, .present = turn_, .first_field = i};
      } else {
        value.is_repeated = true;
      }
    }
  }

  /// RFC 9110, section 5.3; of a cookie that HTTP/2 has cut, RFC 9113, section 8.2.3.
  void join(RouteTable::Scratch::Value& value) {
    const HttpField& first = request_.fields[value.first_field];
    const std::string_view separator = same_name(first.name, "cookie") ? "; " : ", ";
    const size_t begin = text_used_;
    for (const HttpField& field : request_.fields.subspan(value.first_field)) {
      if (!same_name(field.name, first.name)) {
        continue;
      }
      if (RouteTable::Scratch::kTextBytes - text_used_ < separator.size() + field.value.size()) {
        value.present = 0;
        return;
      }
      if (&field != &first) {
        write(separator);
      }
      write(field.value);
    }
    value.text = {scratch_.text_.get() + begin, text_used_ - begin};
    value.is_repeated = false;
  }

  void write(std::string_view text) {
    text.copy(scratch_.text_.get() + text_used_, text.size());
    text_used_ += text.size();
  }

  /// Of a parameter that is there more than once, the first counts (HTTPQueryParamMatch recommends it).
  void read_query() {
    std::string_view rest = request_.query;
    while (const std::optional<QueryParameter> parameter = take_parameter(rest)) {
      const size_t before = text_used_;
      const std::optional<std::string_view> name = decoded(parameter->name);
      const uint32_t number = name ? index_.asked.find_query(*name) : AskedNames::kNone;
      text_used_ = before;
      if (number == AskedNames::kNone || scratch_.values_[number].present == turn_) {
        continue;
      }
      const std::optional<std::string_view> text = decoded(parameter->value);
      if (text) {
        scratch_.values_[number] = {.text = *text, .present = turn_};
      }
    }
  }

  std::optional<std::string_view> decoded(std::string_view text) {
    if (!is_encoded(text)) {
      return text;
    }
    if (RouteTable::Scratch::kTextBytes - text_used_ < text.size()) {
      return std::nullopt;
    }
    char* out = scratch_.text_.get() + text_used_;
    const size_t length = decode_form(text, out);
    text_used_ += length;
    return std::string_view(out, length);
  }

  const RouteIndex& index_;
  const HttpRequest& request_;
  RouteTable::Scratch& scratch_;
  const uint64_t turn_;
  std::optional<size_t> path_matches_;
  bool values_read_ = false;
  size_t text_used_ = 0;
};

RouteTable::RouteTable(std::vector<HttpRoute> routes, const RouteTable* before)
    : routes_(std::move(routes)),
      index_(std::make_unique<const RouteIndex>(routes_, before == nullptr ? nullptr : before->index_.get())) {}

RouteTable::~RouteTable() = default;

RouteTable::Match RouteTable::find(const HttpRequest& request, Scratch& scratch) const {
  assert(scratch.values_.size() >= index_->asked.size() && scratch.paths_.size() >= index_->path_expressions->size());
  const RouteIndex::Entry* entry = RouteLookUp(*index_, request, scratch).find();
  return entry == nullptr ? Match{} : Match{.rule = entry->rule, .match = entry->match};
}

size_t RouteTable::memory_bytes() const {
  size_t bytes = sizeof *this + sizeof *index_ + index_->memory_bytes();
  for (const HttpRoute& route : routes_) {
    bytes += sizeof route;
    for (const MatchedRule& rule : route.rules) {
      bytes += sizeof rule + rule.matches.size() * sizeof(HttpMatch) + sizeof(HttpRule);
    }
  }
  return bytes;
}

}  // namespace weft::lb
