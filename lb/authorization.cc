// SPDX-License-Identifier: Apache-2.0
#include "lb/authorization.h"

#include <algorithm>
#include <bit>
#include <map>
#include <stdexcept>

#include "lb/authorization_match.h"
#include "lb/bytes.h"

namespace weft::lb {
namespace {

using Key = AuthorizationWhen::Key;

constexpr size_t kMostPatterns = 16384;   ///< of one service's policies
constexpr size_t kMostHeaderIndexes = 4;  // what a Narrowing has room for

bool is_of_source(Key key) {
  return key == Key::source_ip || key == Key::remote_ip || key == Key::source_namespace || key == Key::source_principal;
}

bool has_template(const std::vector<TextPattern>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [](const TextPattern& pattern) { return pattern.kind == TextPattern::Kind::path_template; });
}

bool is_index_enough(const AuthorizationOperation& operation) {
  return !has_template(operation.paths.is) && !has_template(operation.paths.is_not);
}

bool asks_for_requests(const AuthorizationRule& rule) {
  return std::any_of(rule.to.begin(), rule.to.end(), [](const auto& to) { return to.is_http(); }) ||
         std::any_of(rule.when.begin(), rule.when.end(), [](const auto& when) { return when.key == Key::header; });
}

/// What is as the service is, whoever asks for what.
bool may_hold_at(const AuthorizationRule& rule, const Address& address, uint16_t port) {
  return std::all_of(rule.when.begin(), rule.when.end(), [&](const AuthorizationWhen& when) {
    return when.key == Key::destination_ip     ? holds(when.addresses, address)
           : when.key == Key::destination_port ? holds(when.ports, port)
                                               : true;
  });
}

size_t patterns_of(const AuthorizationRule& rule) {
  size_t count = 0;
  const auto add = [&](const auto& condition) { count += condition.is.size() + condition.is_not.size(); };
  for (const AuthorizationSource& from : rule.from) {
    add(from.principals);
    add(from.namespaces);
    add(from.ip_blocks);
    add(from.remote_ip_blocks);
  }
  for (const AuthorizationOperation& to : rule.to) {
    add(to.hosts);
    add(to.ports);
    add(to.methods);
    add(to.paths);
  }
  for (const AuthorizationWhen& when : rule.when) {
    add(when.texts);
    add(when.addresses);
    add(when.ports);
  }
  return count;
}

/// Of one field of all clauses: the values, and of those that have any, the values with "not".
template <typename Value>
struct Fields {
  std::vector<ClauseField<Value>> is;
  std::vector<ClauseField<Value>> is_not;

  template <typename Condition>
  void add(uint32_t clause, const Condition* condition) {
    is.push_back({clause, condition == nullptr ? nullptr : &condition->is});
    if (condition != nullptr && !condition->is_not.empty()) {
      is_not.push_back({clause, &condition->is_not});
    }
  }
};

/// A source whose fields say what "when" says, where there is no other: so that the indexes know it.
void fold_conditions(AuthorizationRule& rule) {
  if (rule.from.size() > 1) {
    return;
  }
  AuthorizationSource source = rule.from.empty() ? AuthorizationSource() : rule.from.front();
  const auto fold = [](auto& field, const auto& condition) {
    const bool is_free = field.empty();
    field = is_free ? condition : field;
    return is_free;
  };
  std::erase_if(rule.when, [&](const AuthorizationWhen& when) {
    switch (when.key) {
      case Key::source_ip:
        return fold(source.ip_blocks, when.addresses);
      case Key::remote_ip:
        return fold(source.remote_ip_blocks, when.addresses);
      case Key::source_namespace:
        return fold(source.namespaces, when.texts);
      case Key::source_principal:
        return fold(source.principals, when.texts);
      case Key::header:
      case Key::destination_ip:
      case Key::destination_port:
        break;
    }
    return false;
  });
  if (!source.empty()) {
    rule.from = {std::move(source)};
  }
}

}  // namespace

Authorization::Authorization(uint64_t id, std::vector<AuthorizationRules> policies, const Address& address, Port port)
    : id_(id), policies_(std::move(policies)) {
  size_t patterns = 0;
  for (AuthorizationRules& policy : policies_) {
    (policy.dry_run ? has_dry_run_allow_ : has_allow_) |= !policy.deny;
    has_dry_run_ |= policy.dry_run;
    for (AuthorizationRule& rule : policy.rules) {
      patterns += patterns_of(rule);
      fold_conditions(rule);
    }
  }
  if (patterns > kMostPatterns || policies_.size() >= Judgement::kNone) {
    throw std::invalid_argument("its policies have " + std::to_string(patterns) + " values, of which " +
                                std::to_string(kMostPatterns) + " are allowed");
  }
  gather(requests_, true, address, port);
  index(requests_, true);
  gather(connections_, false, address, port);
  index(connections_, false);
}

bool Authorization::is_same_anywhere(std::span<const AuthorizationRules> policies) {
  return std::all_of(policies.begin(), policies.end(), [](const AuthorizationRules& policy) {
    return std::all_of(policy.rules.begin(), policy.rules.end(), [](const AuthorizationRule& rule) {
      return std::all_of(rule.to.begin(), rule.to.end(), [](const auto& to) { return to.ports.empty(); }) &&
             std::none_of(rule.when.begin(), rule.when.end(), [](const auto& when) {
               return when.key == Key::destination_ip || when.key == Key::destination_port;
             });
    });
  });
}

/// Clauses of a kind lie side by side, those of the first policy and rule first, and each kind begins a word.
void Authorization::gather(Clauses& clauses, bool of_requests, const Address& address, Port port) {
  const uint16_t number = to_host(port);
  for (size_t kind = 0; kind < kKinds; ++kind) {
    clauses.first[kind] = static_cast<uint32_t>(clauses.clauses.size() / 64);
    for (size_t p = 0; p < policies_.size(); ++p) {
      const AuthorizationRules& policy = policies_[p];
      if (policy.deny != (kind == deny || kind == dry_run_deny) ||
          policy.dry_run != (kind == dry_run_deny || kind == dry_run_allow)) {
        continue;
      }
      for (size_t r = 0; r < policy.rules.size(); ++r) {
        const AuthorizationRule& rule = policy.rules[r];
        if (!may_hold_at(rule, address, number) || (!of_requests && !policy.deny && asks_for_requests(rule))) {
          continue;
        }
        Clause clause{.rule = &rule, .policy = static_cast<uint16_t>(p), .number = static_cast<uint16_t>(r)};
        bool is_there = rule.to.empty();
        for (const AuthorizationOperation& to : rule.to) {
          if (holds(to.ports, number) && (of_requests || !is_there)) {
            clause.operation = of_requests ? &to : nullptr;
            is_there = true;
            clauses.clauses.push_back(clause);
          }
        }
        if (rule.to.empty()) {
          clauses.clauses.push_back(clause);
        }
      }
    }
    clauses.clauses.resize((clauses.clauses.size() + 63) / 64 * 64);
  }
  clauses.words = clauses.first[kKinds] = static_cast<uint32_t>(clauses.clauses.size() / 64);
  if (clauses.words > kMostClauseWords) {
    throw std::invalid_argument("its policies have " + std::to_string(clauses.clauses.size()) +
                                " rules and operations, of which " + std::to_string(kMostClauses) + " are allowed");
  }
}

void Authorization::index(Clauses& clauses, bool of_requests) {
  clauses.all = clauses.source_to_check = clauses.operation_to_check = ClauseBits(clauses.words);
  std::array<Fields<TextPattern>, 5> texts;  // principals, namespaces, paths, hosts, methods
  std::array<Fields<Prefix>, 2> addresses;
  std::map<std::string, std::vector<ClauseField<TextPattern>>> headers;
  for (uint32_t i = 0; i < clauses.clauses.size(); ++i) {
    const auto& [rule, operation, policy, number] = clauses.clauses[i];
    if (rule == nullptr) {
      continue;
    }
    set_clause(clauses.all, i);
    // Of several sources no index can tell all.
    const AuthorizationSource* const source = rule->from.size() == 1 ? &rule->from.front() : nullptr;
    texts[0].add(i, source == nullptr ? nullptr : &source->principals);
    texts[1].add(i, source == nullptr ? nullptr : &source->namespaces);
    addresses[0].add(i, source == nullptr ? nullptr : &source->ip_blocks);
    addresses[1].add(i, source == nullptr ? nullptr : &source->remote_ip_blocks);
    if (rule->from.size() > 1 ||
        std::any_of(rule->when.begin(), rule->when.end(), [](const auto& when) { return is_of_source(when.key); })) {
      set_clause(clauses.source_to_check, i);
    }
    if (!of_requests) {
      continue;
    }
    texts[2].add(i, operation == nullptr ? nullptr : &operation->paths);
    texts[3].add(i, operation == nullptr ? nullptr : &operation->hosts);
    texts[4].add(i, operation == nullptr ? nullptr : &operation->methods);
    const auto header =
        std::find_if(rule->when.begin(), rule->when.end(), [](const auto& when) { return when.key == Key::header; });
    if ((operation != nullptr && !is_index_enough(*operation)) || header != rule->when.end()) {
      set_clause(clauses.operation_to_check, i);
    }
    if (header != rule->when.end() && !header->texts.is.empty() &&
        (headers.contains(header->header) || headers.size() < kMostHeaderIndexes)) {
      headers[header->header].push_back({i, &header->texts.is});
    }
  }
  const uint32_t words = clauses.words;
  for (size_t i = 0; i < (of_requests ? texts.size() : 2); ++i) {
    (i < 2 ? clauses.source_texts : clauses.operations)
        .push_back({PatternIndex(words, texts[i].is),
                    PatternIndex(words, texts[i].is_not, PatternIndex::Templates::fit_none)});
  }
  for (const Fields<Prefix>& fields : addresses) {
    clauses.source_addresses.push_back({AddressIndex(words, fields.is), AddressIndex(words, fields.is_not)});
  }
  for (auto& [name, fields] : headers) {
    std::vector<ClauseField<TextPattern>> all;
    auto next = fields.begin();
    for (uint32_t i = 0; i < clauses.clauses.size(); ++i) {
      const bool is_its = next != fields.end() && next->clause == i;
      all.push_back(is_its ? *next : ClauseField<TextPattern>{i, nullptr});
      next += is_its ? 1 : 0;
    }
    clauses.headers.push_back({name, PatternIndex(words, all)});
  }
}

void Authorization::find_source(const Clauses& clauses, const Address& client, const Caller* caller, uint64_t* bits) {
  static const Caller kNobody;
  const Caller& who = caller == nullptr ? kNobody : *caller;
  std::copy(clauses.all.begin(), clauses.all.end(), bits);
  const auto ask = [bits](const Indexes<PatternIndex>& indexes, const std::vector<std::string>& texts) {
    if (indexes.is.tells()) {
      indexes.is.narrow(texts, bits);
    }
    for (size_t i = 0; indexes.is_not.tells() && i < texts.size(); ++i) {
      indexes.is_not.remove(texts[i], bits);
    }
  };
  ask(clauses.source_texts[0], who.principals);
  ask(clauses.source_texts[1], who.namespaces);
  for (const Indexes<AddressIndex>& addresses : clauses.source_addresses) {
    if (addresses.is.tells()) {
      addresses.is.narrow(client, bits);
    }
    if (addresses.is_not.tells()) {
      addresses.is_not.remove(client, bits);
    }
  }
  for (uint32_t word = 0; word < clauses.words; ++word) {
    for (uint64_t left = bits[word] & clauses.source_to_check[word]; left != 0; left &= left - 1) {
      const auto bit = static_cast<uint32_t>(__builtin_ctzll(left));
      const AuthorizationRule& rule = *clauses.clauses[word * 64 + bit].rule;
      const bool is_from = rule.from.empty() || std::any_of(rule.from.begin(), rule.from.end(), [&](const auto& from) {
                             return holds(from, client, caller);
                           });
      const bool is_when = std::all_of(rule.when.begin(), rule.when.end(), [&](const AuthorizationWhen& when) {
        return !is_of_source(when.key) || holds_of_source(when, client, caller);
      });
      if (!is_from || !is_when) {
        bits[word] &= ~(uint64_t{1} << bit);
      }
    }
  }
}

void Authorization::find_source(const Address& client, const Caller* caller, uint64_t* bits) const {
  find_source(requests_, client, caller, bits);
}

Judgement Authorization::judge(const Address& client, const Caller* caller) const {
  SourceBits source;
  find_source(connections_, client, caller, source.words.data());
  return settle(connections_, source.words.data(), nullptr);
}

Judgement Authorization::judge(const HttpRequest& request, const Address& client, const Caller* caller) const {
  SourceBits source;
  find_source(requests_, client, caller, source.words.data());
  return judge(request, source.words.data());
}

Judgement Authorization::judge(const HttpRequest& request, const uint64_t* source) const {
  Narrowing narrowing;
  const std::array<std::string_view, 3> texts = {request.path, request.host, request.method};
  for (size_t i = 0; i < texts.size(); ++i) {
    const Indexes<PatternIndex>& indexes = requests_.operations[i];
    if (indexes.is.tells()) {
      indexes.is.narrow(texts[i], narrowing);
    }
    if (indexes.is_not.tells()) {
      indexes.is_not.remove(texts[i], narrowing);
    }
  }
  for (const HeaderIndex& header : requests_.headers) {
    const HttpField* value = nullptr;
    bool is_alone = true;
    for (const HttpField& field : request.fields) {
      if (same_name(field.name, header.name)) {
        is_alone = value == nullptr;
        value = &field;
      }
    }
    if (is_alone) {  // else all values count, joined: those that are left are asked
      header.values.narrow(value == nullptr ? std::string_view() : value->value, narrowing);
    }
  }
  std::array<uint64_t, kMostClauseWords> bits;
  narrowing.apply(source, bits.data(), requests_.words);
  return settle(requests_, bits.data(), &request);
}

/// The first that holds.
Authorization::Clause Authorization::first_of(const Clauses& clauses, Kind kind, const uint64_t* bits,
                                              const HttpRequest* request) {
  for (uint32_t word = clauses.first[kind]; word < clauses.first[kind + 1U]; ++word) {
    for (uint64_t left = bits[word]; left != 0; left &= left - 1) {
      const auto bit = static_cast<uint32_t>(__builtin_ctzll(left));
      const Clause& clause = clauses.clauses[word * 64 + bit];
      if ((clauses.operation_to_check[word] >> bit & 1) == 0 ||
          ((clause.operation == nullptr || holds(*clause.operation, *request)) &&
           std::all_of(clause.rule->when.begin(), clause.rule->when.end(), [&](const AuthorizationWhen& when) {
             return when.key != Key::header || holds_of_header(when.texts, when.header, request->fields);
           }))) {
        return clause;
      }
    }
  }
  return {};
}

Judgement Authorization::settle(const Clauses& clauses, const uint64_t* bits, const HttpRequest* request) const {
  Judgement judgement;
  Clause by = first_of(clauses, deny, bits, request);
  judgement.denied = by.rule != nullptr;
  if (!judgement.denied && has_allow_) {
    by = first_of(clauses, allow, bits, request);
    judgement.denied = by.rule == nullptr;
  }
  judgement.policy = by.policy;
  judgement.rule = by.number;
  if (!has_dry_run_ || judgement.denied) [[likely]] {
    return judgement;
  }
  Clause dry_run = first_of(clauses, dry_run_deny, bits, request);
  judgement.dry_run_denied =
      dry_run.rule != nullptr ||
      (has_dry_run_allow_ && by.rule == nullptr && first_of(clauses, dry_run_allow, bits, request).rule == nullptr);
  judgement.dry_run_policy = dry_run.policy;
  judgement.dry_run_rule = dry_run.number;
  return judgement;
}

std::string Authorization::describe(uint16_t policy, uint16_t rule) const {
  return policy < policies_.size() ? policies_[policy].name + ", rule " + std::to_string(rule)
                                   : "no ALLOW policy matches";
}

std::string Authorization::describe(const Judgement& judgement) const {
  return describe(judgement.policy, judgement.rule);
}

std::string Authorization::describe_dry_run(const Judgement& judgement) const {
  return describe(judgement.dry_run_policy, judgement.dry_run_rule);
}

size_t Authorization::memory_bytes() const {
  size_t bytes = sizeof *this;
  for (const Clauses* clauses : {&requests_, &connections_}) {
    bytes += clauses->clauses.capacity() * sizeof(Clause) + size_t{3} * clauses->words * sizeof(uint64_t);
    for (const auto* indexes : {&clauses->source_texts, &clauses->operations}) {
      for (const Indexes<PatternIndex>& each : *indexes) {
        bytes += each.is.memory_bytes() + each.is_not.memory_bytes();
      }
    }
    for (const Indexes<AddressIndex>& each : clauses->source_addresses) {
      bytes += each.is.memory_bytes() + each.is_not.memory_bytes();
    }
    for (const HeaderIndex& each : clauses->headers) {
      bytes += each.values.memory_bytes();
    }
  }
  return bytes;
}

const uint64_t* SourceCache::find(const Authorization& authorization, const CallerTable& callers, const Address& client,
                                  SourceBits& room) {
  if (authorization.source_words() > kKept) {
    authorization.find_source(client, callers.find(client), room.words.data());
    return room.words.data();
  }
  // Whoever picks addresses that lie in one place makes them forget each other, and no more.
  const auto words = std::bit_cast<std::array<uint64_t, 2>>(client);
  const uint64_t bucket =
      (folded(words[1] ^ kFold, kFold + folded(words[0] + authorization.id(), kFold)) & mask_) * kWays;
  for (uint64_t i = bucket; i < bucket + kWays; ++i) {
    const Key& key = keys_[i];
    if (key.client == client && key.authorization == authorization.id() && key.callers == callers.revision())
        [[likely]] {
      return bits_[i].data();
    }
  }
  const uint64_t place = bucket + turn_++ % kWays;
  keys_[place] = {.authorization = authorization.id(), .callers = callers.revision(), .client = client};
  authorization.find_source(client, callers.find(client), bits_[place].data());
  return bits_[place].data();
}

}  // namespace weft::lb
