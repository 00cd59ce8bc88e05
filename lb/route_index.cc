// SPDX-License-Identifier: Apache-2.0
#include "lb/route_index.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <set>
#include <stdexcept>
#include <tuple>

#include "lb/http_path.h"

namespace weft::lb {
namespace {

/// An entry that has no place yet.
struct Line {
  uint32_t host;
  const HttpRoute* route;
  size_t position;  ///< of the route among all
  size_t rule;
  const HttpMatch* match;
  std::vector<const ValueMatch*> headers;  ///< the first of each name: others do not count (HTTPHeaderMatch)
  std::vector<const ValueMatch*> query;
  std::string path;  ///< of a prefix without its last slash
};

/// Expressions lie together, whatever they say: none of them is known to be more specific than another.
std::string_view group_of(const Line& line) {
  return line.match->path.type == MatchType::regular_expression ? std::string_view() : line.path;
}

bool same_group(const Line& a, const Line& b) {
  return a.host == b.host && a.match->path.type == b.match->path.type && group_of(a) == group_of(b);
}

/// Groups together, and within a group by precedence. A stable sort does the rest: the first match of a rule that holds
/// is the one that is named.
bool stands_before(const Line& a, const Line& b) {
  const auto key = [](const Line& line) {
    return std::tuple(line.host, line.match->path.type, group_of(line), line.match->method.empty(),
                      -static_cast<int64_t>(line.headers.size()), -static_cast<int64_t>(line.query.size()),
                      line.route->created, std::string_view(line.route->key), line.position, line.rule);
  };
  return key(a) < key(b);
}

std::string owner_of(const HttpRoute& route, size_t rule) {
  return "rule " + std::to_string(rule) + " of route " + route.key;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), to_lower);
  return result;
}

std::vector<const ValueMatch*> first_of_each_name(const std::vector<ValueMatch>& matches, bool is_header) {
  std::vector<const ValueMatch*> result;
  for (const ValueMatch& match : matches) {
    if (std::none_of(result.begin(), result.end(), [&](const ValueMatch* other) {
          return is_header ? same_name(other->name, match.name) : other->name == match.name;
        })) {
      result.push_back(&match);
    }
  }
  return result;
}

void normalize(HttpMatch& match, const std::string& owner) {
  std::string& path = match.path.value;
  if (match.path.type == MatchType::regular_expression) {
    return;
  }
  std::string buffer(path.size(), '\0');
  const std::optional<std::string_view> normal = path.starts_with('/') ? normalize_path(path, buffer) : std::nullopt;
  if (!normal) {
    throw std::invalid_argument("path \"" + path + "\" of " + owner + " is none that a request may have");
  }
  if (normal->data() != path.data()) {
    path = std::string(*normal);
  }
}

/// A thing that is asked for more than once, and who did first. Numbered by its place among all, so that the numbers of
/// expressions stay when other routes change, and their database can be shared.
template <typename Key>
class Numbers {
 public:
  void add(const Key& key, const std::string& owner = {}) { found_.try_emplace(key, Found{0, owner}); }
  void number() {
    for (auto& [key, found] : found_) {
      found.number = next_++;
    }
  }
  uint32_t of(const Key& key) const { return found_.at(key).number; }

  std::vector<Key> keys() const {
    std::vector<Key> keys;
    for (const auto& [key, found] : found_) {
      keys.push_back(key);
    }
    return keys;
  }
  template <typename TextOf>
  std::vector<Expressions::Expression> expressions(TextOf text_of) const {
    std::vector<Expressions::Expression> expressions;
    for (const auto& [key, found] : found_) {
      expressions.push_back({.text = text_of(key), .owner = found.owner});
    }
    return expressions;
  }

 private:
  struct Found {
    uint32_t number;
    std::string owner;
  };
  std::map<Key, Found> found_;
  uint32_t next_ = 0;
};

std::shared_ptr<const Expressions> compiled(std::vector<Expressions::Expression> expressions,
                                            const std::shared_ptr<const Expressions>* before) {
  if (before != nullptr && (*before)->same_as(expressions)) {
    return *before;
  }
  return std::make_shared<const Expressions>(std::move(expressions));
}

}  // namespace

/// All that an index is made of, while it is collected.
struct RouteIndex::Draft {
  using ValueExpression = std::pair<AskedNames::Name, std::string>;

  std::map<std::string, uint32_t> host_numbers;
  std::vector<std::string> hosts;
  std::vector<Line> lines;
  Numbers<std::string> path_expressions;
  Numbers<AskedNames::Name> names;
  Numbers<ValueExpression> value_expressions;

  std::vector<bool> host_has_expressions;
  std::vector<std::pair<const Line*, uint32_t>> exact;  ///< with their groups
  std::vector<PathTree::Prefix> prefixes;
  std::vector<Group> groups;
  std::vector<Entry> entries;
  std::vector<Condition> conditions;
  std::vector<std::pair<uint32_t, Expressed>> expressed;  ///< by path expression

  explicit Draft(std::vector<HttpRoute>& routes) {
    for (size_t i = 0; i < routes.size(); ++i) {
      collect(routes[i], i);
    }
    std::stable_sort(lines.begin(), lines.end(), stands_before);
    path_expressions.number();
    names.number();
    value_expressions.number();
    host_has_expressions.resize(hosts.size() + 1);
    for (size_t i = 0; i < lines.size(); ++i) {
      place(lines[i], i == 0 || !same_group(lines[i - 1], lines[i]));
    }
    std::stable_sort(expressed.begin(), expressed.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
  }

  uint32_t host_number(const std::string& name) {
    if (name == "*") {
      return HostTable::kAny;
    }
    const auto [at, is_new] = host_numbers.emplace(lower(name), static_cast<uint32_t>(hosts.size()) + 1);
    if (is_new) {
      hosts.push_back(at->first);
    }
    return at->second;
  }

  void collect(HttpRoute& route, size_t position) {
    std::set<uint32_t> numbers;
    for (const std::string& name : route.hostnames) {
      numbers.insert(host_number(name));
    }
    if (route.hostnames.empty()) {
      numbers.insert(HostTable::kAny);
    }
    for (size_t rule = 0; rule < route.rules.size(); ++rule) {
      const std::string owner = owner_of(route, rule);
      for (HttpMatch& match : route.rules[rule].matches) {
        normalize(match, owner);
        Line line{.route = &route,
                  .position = position,
                  .rule = rule,
                  .match = &match,
                  .headers = first_of_each_name(match.headers, true),
                  .query = first_of_each_name(match.query, false),
                  .path = match.path.value};
        if (match.path.type == MatchType::prefix && line.path.ends_with('/')) {
          line.path.pop_back();
        } else if (match.path.type == MatchType::regular_expression) {
          path_expressions.add(line.path, owner);
        }
        for (const auto& [list, is_header] : {std::pair(&line.headers, true), std::pair(&line.query, false)}) {
          for (const ValueMatch* value : *list) {
            ask(*value, name_of(*value, is_header), owner);
          }
        }
        for (const uint32_t host : numbers) {
          line.host = host;
          lines.push_back(line);
        }
      }
    }
  }

  static AskedNames::Name name_of(const ValueMatch& match, bool is_header) {
    return {.is_header = is_header, .text = is_header ? lower(match.name) : match.name};
  }

  void ask(const ValueMatch& match, const AskedNames::Name& name, const std::string& owner) {
    if (name.text.empty() || (name.is_header && name.text.size() > AskedNames::kMaxHeaderName)) {
      throw std::invalid_argument("name \"" + name.text + "\" of " + owner + " is none of a header or a parameter");
    }
    names.add(name);
    if (match.type == MatchType::regular_expression) {
      value_expressions.add({name, match.value}, owner);
    }
  }

  void place(const Line& line, bool is_new_group) {
    const auto entry = static_cast<uint32_t>(entries.size());
    entries.push_back({.rule = line.route->rules[line.rule].rule.get(),
                       .match = line.match,
                       .first_condition = static_cast<uint32_t>(conditions.size()),
                       .conditions = static_cast<uint16_t>(line.headers.size() + line.query.size()),
                       .has_method = !line.match->method.empty()});
    for (const ValueMatch* match : line.headers) {
      demand(*match, name_of(*match, true));
    }
    for (const ValueMatch* match : line.query) {
      demand(*match, name_of(*match, false));
    }
    if (line.match->path.type == MatchType::regular_expression) {
      expressed.push_back({path_expressions.of(line.path), {.host = line.host, .entry = entry}});
      host_has_expressions[line.host] = true;
      return;
    }
    if (is_new_group) {
      const auto group = static_cast<uint32_t>(groups.size());
      groups.push_back({.first = entry, .count = 0});
      if (line.match->path.type == MatchType::exact) {
        exact.push_back({&line, group});
      } else {
        prefixes.push_back({.tree = line.host, .path = line.path, .value = group});
      }
    }
    ++groups.back().count;
  }

  void demand(const ValueMatch& match, const AskedNames::Name& name) {
    conditions.push_back(
        {.value = names.of(name),
         .expression = match.type == MatchType::regular_expression ? value_expressions.of({name, match.value}) : kNone,
         .text = match.value});
  }
};

RouteIndex::RouteIndex(std::vector<HttpRoute>& routes, const RouteIndex* earlier)
    : RouteIndex(Draft(routes), earlier) {}

RouteIndex::RouteIndex(const Draft& draft, const RouteIndex* earlier)
    : hosts(draft.hosts),
      host_has_expressions(draft.host_has_expressions),
      exact_paths(static_cast<uint32_t>(host_has_expressions.size()), draft.exact.size()),
      prefixes(static_cast<uint32_t>(host_has_expressions.size()), draft.prefixes),
      groups(draft.groups),
      entries(draft.entries),
      conditions(draft.conditions),
      asked(draft.names.keys()),
      path_expressions(compiled(draft.path_expressions.expressions([](const std::string& text) { return text; }),
                                earlier == nullptr ? nullptr : &earlier->path_expressions)),
      value_expressions(
          compiled(draft.value_expressions.expressions([](const Draft::ValueExpression& key) { return key.second; }),
                   earlier == nullptr ? nullptr : &earlier->value_expressions)),
      expressed_of(path_expressions->size()) {
  for (const auto& [line, group] : draft.exact) {
    exact_paths.add(line->host, line->path, group);
  }
  for (const auto& [expression, at] : draft.expressed) {
    if (expressed_of[expression].count++ == 0) {
      expressed_of[expression].first = static_cast<uint32_t>(expressed.size());
    }
    expressed.push_back(at);
  }
  for (const auto& [name, text] : draft.value_expressions.keys()) {
    value_of_expression.push_back(draft.names.of(name));
  }
}

size_t RouteIndex::memory_bytes() const {
  return hosts.memory_bytes() + exact_paths.memory_bytes() + prefixes.memory_bytes() + asked.memory_bytes() +
         groups.capacity() * sizeof(Group) + entries.capacity() * sizeof(Entry) +
         conditions.capacity() * sizeof(Condition) + expressed_of.capacity() * sizeof(Group) +
         expressed.capacity() * sizeof(Expressed) + value_of_expression.capacity() * sizeof(uint32_t) +
         path_expressions->memory_bytes() + value_expressions->memory_bytes();
}

}  // namespace weft::lb
