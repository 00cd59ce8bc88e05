// SPDX-License-Identifier: Apache-2.0
// The compiled policies against a slow reading of the same rules, one by one, on random policies and requests whose
// values are few, so that most of them meet.
#include <gtest/gtest.h>

#include <random>

#include "lb/authorization.h"

namespace weft::lb {
namespace {

using ModelRandom = std::mt19937_64;

const std::vector<std::string> kTexts = {"a", "ab", "abc", "b", "ba", "cab", "/a", "/a/b", "/ab", "/b", "x/y", "GET"};
const std::vector<std::string> kClients = {"10.0.0.1", "10.0.0.200", "10.0.1.1", "11.0.0.1", "fd00::1", "fe00::1"};
const std::vector<std::string> kBlocks = {"10.0.0.0/24", "10.0.0.0/8", "10.0.0.1",      "fd00::/8",
                                          "::/0",        "0.0.0.0/0",  "10.0.0.128/25", "255.255.255.255"};
const std::vector<std::string> kHeaders = {"h1", "h2", "h3", "h4", "h5", "h6"};

struct Meeting {
  Address client;
  const Caller* caller;
  HttpRequest request;
};

class SlowReading {
 public:
  SlowReading(const std::vector<AuthorizationRules>& policies, uint16_t port, Address vip)
      : policies_(policies), port_(port), vip_(vip) {}

  Judgement judge(const Meeting& meeting, bool opaque) const {
    Judgement result;
    const auto first = [&](bool deny, bool dry_run, uint16_t& policy, uint16_t& rule) {
      for (size_t p = 0; p < policies_.size(); ++p) {
        for (size_t r = 0; r < policies_[p].rules.size(); ++r) {
          if (policies_[p].deny == deny && policies_[p].dry_run == dry_run &&
              has(policies_[p].rules[r], meeting, opaque, deny)) {
            policy = static_cast<uint16_t>(p);
            rule = static_cast<uint16_t>(r);
            return true;
          }
        }
      }
      return false;
    };
    const auto any = [&](bool dry_run) {
      bool found = false;
      for (const AuthorizationRules& policy : policies_) {
        found |= !policy.deny && policy.dry_run == dry_run;
      }
      return found;
    };
    uint16_t ignored = 0;
    if (first(true, false, result.policy, result.rule)) {
      result.denied = true;
      return result;
    }
    const bool allowed = first(false, false, result.policy, result.rule);
    if (any(false) && !allowed) {
      result.denied = true;
      return result;
    }
    if (first(true, true, result.dry_run_policy, result.dry_run_rule)) {
      result.dry_run_denied = true;
    } else if (any(true) && !allowed && !first(false, true, ignored, ignored)) {
      result.dry_run_denied = true;
    }
    return result;
  }

 private:
  static bool fits(const TextPattern& pattern, const std::string& text) {
    const std::string& p = pattern.text;
    switch (pattern.kind) {
      case TextPattern::Kind::exact:
        return p == text;
      case TextPattern::Kind::prefix:
        return text.substr(0, p.size()) == p;
      case TextPattern::Kind::suffix:
        return text.size() >= p.size() && text.substr(text.size() - p.size()) == p;
      case TextPattern::Kind::any:
        return !text.empty();
      case TextPattern::Kind::path_template:  // those below: one segment, or any behind the first
        return p == "/{*}" ? text.size() > 1 && text[0] == '/' && text.find('/', 1) == std::string::npos
                           : text.size() > 1 && text.substr(0, 3) == "/a/";
    }
    return false;
  }
  static bool has(const TextCondition& condition, const std::vector<std::string>& values) {
    bool is = condition.is.empty();
    bool is_not = false;
    for (const std::string& value : values) {
      for (const TextPattern& pattern : condition.is) {
        is = is || fits(pattern, value);
      }
      for (const TextPattern& pattern : condition.is_not) {
        is_not = is_not || fits(pattern, value);
      }
    }
    return is && !is_not;
  }
  static bool has(const AddressCondition& condition, const Address& address) {
    bool is = condition.is.empty();
    bool is_not = false;
    for (const Prefix& prefix : condition.is) {
      is = is || prefix.contains(address);
    }
    for (const Prefix& prefix : condition.is_not) {
      is_not = is_not || prefix.contains(address);
    }
    return is && !is_not;
  }
  bool has(const PortCondition& condition) const {
    bool is = condition.is.empty();
    bool is_not = false;
    for (const uint16_t each : condition.is) {
      is = is || each == port_;
    }
    for (const uint16_t each : condition.is_not) {
      is_not = is_not || each == port_;
    }
    return is && !is_not;
  }
  bool has(const AuthorizationRule& rule, const Meeting& meeting, bool opaque, bool deny) const {
    const std::vector<std::string> none;
    const auto& principals = meeting.caller == nullptr ? none : meeting.caller->principals;
    const auto& namespaces = meeting.caller == nullptr ? none : meeting.caller->namespaces;
    bool from = rule.from.empty();
    for (const AuthorizationSource& source : rule.from) {
      from = from || (has(source.principals, principals) && has(source.namespaces, namespaces) &&
                      has(source.ip_blocks, meeting.client) && has(source.remote_ip_blocks, meeting.client));
    }
    bool to = rule.to.empty();
    bool only_http = false;
    for (const AuthorizationOperation& operation : rule.to) {
      only_http = only_http || operation.is_http();
      to = to || (has(operation.ports) && (opaque || (has(operation.hosts, {std::string(meeting.request.host)}) &&
                                                      has(operation.methods, {std::string(meeting.request.method)}) &&
                                                      has(operation.paths, {std::string(meeting.request.path)}))));
    }
    bool when = true;
    for (const AuthorizationWhen& each : rule.when) {
      using Key = AuthorizationWhen::Key;
      std::string joined;
      bool is_there = false;
      for (const HttpField& field : meeting.request.fields) {
        if (field.name == each.header) {
          joined += (is_there ? ", " : "") + std::string(field.value);
          is_there = true;
        }
      }
      switch (each.key) {
        case Key::header:
          only_http = true;
          when = when && (opaque || has(each.texts, {joined}));
          break;
        case Key::source_ip:
        case Key::remote_ip:
          when = when && has(each.addresses, meeting.client);
          break;
        case Key::destination_ip:
          when = when && has(each.addresses, vip_);
          break;
        case Key::destination_port:
          when = when && has(each.ports);
          break;
        case Key::source_namespace:
          when = when && has(each.texts, namespaces);
          break;
        case Key::source_principal:
          when = when && has(each.texts, principals);
          break;
      }
    }
    return from && to && when && !(opaque && !deny && only_http);
  }

  const std::vector<AuthorizationRules>& policies_;
  uint16_t port_;
  Address vip_;
};

class PolicyMaker {
 public:
  explicit PolicyMaker(uint64_t seed) : random_(seed) {}

  size_t number(size_t below) { return random_() % below; }
  bool chance(size_t one_in) { return number(one_in) == 0; }
  const std::string& one_of(const std::vector<std::string>& list) { return list[number(list.size())]; }

  TextCondition texts(bool of_path = false) {
    TextCondition condition;
    const auto fill = [&](std::vector<TextPattern>& patterns) {
      for (size_t count = 1 + number(3); count > 0; --count) {
        const size_t kind = number(of_path ? 6 : 4);
        if (kind >= 4) {
          patterns.push_back({TextPattern::Kind::path_template, chance(2) ? "/{*}" : "/a/{**}"});
        } else {
          const auto as = static_cast<TextPattern::Kind>(kind);
          patterns.push_back({as, as == TextPattern::Kind::any ? "" : one_of(kTexts)});
        }
      }
    };
    if (!chance(5)) {
      fill(condition.is);
    }
    if (condition.is.empty() || chance(4)) {
      fill(condition.is_not);
    }
    return condition;
  }
  AddressCondition blocks() {
    AddressCondition condition;
    const auto fill = [&](std::vector<Prefix>& prefixes) {
      for (size_t count = 1 + number(3); count > 0; --count) {
        prefixes.push_back(*parse_prefix(one_of(kBlocks)));
      }
    };
    fill(chance(3) ? condition.is_not : condition.is);
    if (chance(4)) {
      fill(condition.is_not);
    }
    return condition;
  }
  PortCondition ports() {
    const auto port = static_cast<uint16_t>(80 + number(2));
    return chance(2) ? PortCondition{{port}, {}} : PortCondition{{}, {port}};
  }
  AuthorizationRule rule() {
    AuthorizationRule rule;
    for (size_t count = number(3); count > 0; --count) {
      AuthorizationSource& source = rule.from.emplace_back();
      source.principals = chance(2) ? texts() : TextCondition();
      source.namespaces = chance(3) ? texts() : TextCondition();
      source.ip_blocks = chance(3) ? blocks() : AddressCondition();
      source.remote_ip_blocks = chance(5) ? blocks() : AddressCondition();
    }
    for (size_t count = number(3); count > 0; --count) {
      AuthorizationOperation& operation = rule.to.emplace_back();
      operation.hosts = chance(3) ? texts() : TextCondition();
      operation.methods = chance(3) ? texts() : TextCondition();
      operation.paths = chance(2) ? texts(true) : TextCondition();
      operation.ports = chance(4) ? ports() : PortCondition();
    }
    for (size_t count = chance(2) ? 0 : number(3); count > 0; --count) {
      AuthorizationWhen& when = rule.when.emplace_back();
      when.key = static_cast<AuthorizationWhen::Key>(number(7));
      when.header = one_of(kHeaders);
      when.texts = texts();
      when.addresses = blocks();
      when.ports = ports();
    }
    return rule;
  }
  std::vector<AuthorizationRules> policies() {
    std::vector<AuthorizationRules> all;
    for (size_t count = number(6); count > 0; --count) {
      AuthorizationRules& policy = all.emplace_back();
      policy.name = "ns/" + std::to_string(all.size());
      policy.deny = chance(2);
      policy.dry_run = chance(3);
      for (size_t rules = chance(20) ? 100 : number(5); rules > 0; --rules) {
        policy.rules.push_back(rule());
      }
    }
    return all;
  }
  std::vector<std::string> some() {
    std::vector<std::string> texts;
    for (size_t count = number(4); count > 0; --count) {
      texts.push_back(one_of(kTexts));
    }
    return texts;
  }

 private:
  ModelRandom random_;
};

TEST(AuthorizationModel, DecidesAsASlowReadingDoes) {
  size_t denied = 0;
  size_t allowed = 0;
  size_t dry_run = 0;
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    PolicyMaker make(seed);
    const std::vector<AuthorizationRules> policies = make.policies();
    const Address vip = *parse_address("10.0.0.1");
    const Authorization fast(seed, policies, vip, port_from_host(80));
    const SlowReading slow(policies, 80, vip);
    for (int i = 0; i < 12; ++i) {
      const Caller caller{.namespaces = make.some(), .principals = make.some()};
      const Address client = *parse_address(make.one_of(kClients));
      auto callers = std::make_shared<const CallerTable>();
      const bool is_known = !make.chance(4);
      if (is_known) {
        callers = callers->with({{client, std::make_shared<const Caller>(caller)}});
      }
      std::vector<HttpField> fields;
      for (size_t count = make.number(5); count > 0; --count) {
        fields.push_back({make.one_of(kHeaders), make.one_of(kTexts)});
      }
      const Meeting meeting{.client = client,
                            .caller = is_known ? &caller : nullptr,
                            .request = {.method = make.one_of(kTexts),
                                        .host = make.chance(5) ? std::string_view() : make.one_of(kTexts),
                                        .path = make.one_of(kTexts),
                                        .query = {},
                                        .fields = fields}};
      const Judgement expected = slow.judge(meeting, false);
      ASSERT_EQ(fast.judge(meeting.request, client, meeting.caller), expected) << "seed " << seed << ", " << i;
      SourceBits room;
      SourceCache fresh(4);
      ASSERT_EQ(fast.judge(meeting.request, fresh.find(fast, *callers, client, room)), expected) << "seed " << seed;
      ASSERT_EQ(fast.judge(client, meeting.caller), slow.judge(meeting, true)) << "seed " << seed << ", " << i;
      denied += expected.denied ? 1 : 0;
      allowed += expected.denied ? 0 : 1;
      dry_run += expected.dry_run_denied ? 1 : 0;
    }
  }
  // Each is met often, or the test shows nothing.
  EXPECT_GT(denied, 5000U);
  EXPECT_GT(allowed, 5000U);
  EXPECT_GT(dry_run, 1000U);
}

}  // namespace
}  // namespace weft::lb
