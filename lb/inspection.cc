// SPDX-License-Identifier: Apache-2.0
#include "lb/inspection.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "lb/expression_size.h"

namespace weft::lb {
namespace {

constexpr size_t kDecodedAtOnce = 4096;  ///< of bodies

/// A target in all forms in which it is looked at. @param is_enough of a form
template <typename IsEnough>
void scan_forms(std::string_view target, char* const (&rooms)[2], IsEnough is_enough) {
  for (uint32_t i = 0; !is_enough(target) && i < Inspection::kDecodings; ++i) {
    if (target.find_first_of("%+") == std::string_view::npos || target.size() > Inspection::kLongestDecoded) {
      return;
    }
    char* const into = rooms[i % 2];
    PercentDecoder decoder;
    size_t length = decoder.decode(target, into);
    length += decoder.end(into + length);
    const std::string_view decoded(into, length);
    if (decoded == target) {
      return;
    }
    target = decoded;
  }
}

void add_one(std::atomic<uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

struct Inspection::Scan {
  const Inspection& inspection;
  Desk& desk;
  Finding& finding;
  bool is_body = false;  ///< other messages' come in between: its stream knows what it told of
};

Inspection::Inspection(std::vector<InspectionRules> rules, size_t workers) : rules_(std::move(rules)) {
  std::array<std::vector<SignatureDatabase::Entry>, 6> entries;
  size_t expanded = 0;
  for (uint32_t r = 0; r < rules_.size(); ++r) {
    body_bytes_ = std::max(body_bytes_, rules_[r].body_bytes);
    for (const Signature& signature : rules_[r].signatures) {
      if (const std::string problem = signature_problem(signature); !problem.empty()) {
        throw std::invalid_argument("signature \"" + signature.name + "\" of " + rules_[r].policy + ": " + problem);
      }
      std::string& unseen_policy = unseen_policies_[static_cast<size_t>(signature.message)];
      if (signature.part == Part::body && rules_[r].denies_unseen && !rules_[r].dry_run && unseen_policy.empty()) {
        unseen_policy = rules_[r].policy;
      }
      enforces_[static_cast<size_t>(signature.message)] |=
          signature.part == Part::body && !rules_[r].dry_run &&
          (signature.action == Signature::Action::deny || rules_[r].denies_unseen);
      expanded += signature.is_expression ? expression_size(signature.text) : signature.text.size();
      entries[static_cast<size_t>(signature.message) * 3 + static_cast<size_t>(signature.part)].push_back(
          {&signature, static_cast<uint32_t>(numbered_.size())});
      numbered_.push_back({&signature, r, rules_[r].policy + " " + signature.name});
    }
  }
  if (numbered_.size() > kMostSignatures) {
    throw std::invalid_argument("there are " + std::to_string(numbered_.size()) +
                                " signatures about one service: expected at most " + std::to_string(kMostSignatures));
  }
  if (expanded > kMostExpandedInAll) {
    throw std::invalid_argument("the signatures about one service come to " + std::to_string(expanded) +
                                " characters once their repetitions are written out: expected at most " +
                                std::to_string(kMostExpandedInAll));
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    databases_.emplace_back(entries[i], static_cast<Part>(i % 3));
  }
  for (size_t i = 0; i < workers; ++i) {
    Desk& desk = *desks_.emplace_back(std::make_unique<Desk>());
    for (const SignatureDatabase& database : databases_) {
      database.prepare(desk.scratch);
    }
    for (const Message message : {Message::request, Message::response}) {
      const SignatureDatabase& database = of(message, Part::body);
      const size_t bytes = database.stream_bytes();
      const size_t count = bytes == 0 ? 0 : std::clamp<size_t>(kStreamBytes / bytes, kFewestStreams, kMostStreams);
      desk.streams[static_cast<size_t>(message)] = SignatureStreams(database, static_cast<uint32_t>(count));
    }
    for (auto& each : desk.decoded) {
      each = std::make_unique_for_overwrite<char[]>(kLongestDecoded + PercentDecoder::kExcess);
    }
    desk.told_in.resize(numbered_.size());
    desk.found = std::make_unique<std::atomic<uint64_t>[]>(numbered_.size());
  }
}

uint64_t Inspection::found(uint32_t number) const {
  uint64_t sum = 0;
  for (const auto& desk : desks_) {
    sum += desk->found[number].load(std::memory_order_relaxed);
  }
  return sum;
}

std::vector<uint32_t> Inspection::found_in(std::string_view target, std::string_view lines) const {
  std::vector<uint32_t> numbers;
  const SignatureFound add = [](uint32_t number, void* context) {
    auto& all = *static_cast<std::vector<uint32_t>*>(context);
    if (std::find(all.begin(), all.end(), number) == all.end()) {
      all.push_back(number);
    }
    return false;
  };
  MatcherScratch scratch;
  if (const SignatureDatabase& targets = of(Message::request, Part::target); !targets.empty()) {
    targets.prepare(scratch);
    std::vector<char> rooms(2 * (kLongestDecoded + PercentDecoder::kExcess));
    scan_forms(target, {rooms.data(), rooms.data() + rooms.size() / 2}, [&](std::string_view form) {
      targets.scan(form, scratch.get(), add, &numbers);
      return false;
    });
  }
  if (const SignatureDatabase& fields = of(Message::request, Part::header); !fields.empty()) {
    fields.prepare(scratch);
    fields.scan(lines, scratch.get(), add, &numbers);
  }
  return numbers;
}

/// A target is scanned in several forms, and yet each signature counts once.
bool Inspection::note(uint32_t number, void* context) {
  const Scan& scan = *static_cast<Scan*>(context);
  if (!scan.is_body && scan.desk.told_in[number] == scan.desk.message) {
    return false;
  }
  scan.desk.told_in[number] = scan.is_body ? scan.desk.told_in[number] : scan.desk.message;
  add_one(scan.desk.found[number]);
  Finding& finding = scan.finding;
  ++finding.found;
  const auto first = [number](uint32_t& of) { of = of == Finding::kNone ? number : of; };
  switch (scan.inspection.signature(number).action) {
    case Signature::Action::count:
      break;
    case Signature::Action::log:
      first(finding.logged);
      break;
    case Signature::Action::deny:
      first(scan.inspection.rules_of(number).dry_run ? finding.would_deny : finding.denied_by);
      break;
  }
  return finding.denied();
}

void Inspection::scan_target(size_t worker, std::string_view target, Finding& finding) const {
  const SignatureDatabase& database = of(Message::request, Part::target);
  Desk& desk = *desks_[worker];
  Scan scan{*this, desk, finding};
  scan_forms(target, {desk.decoded[0].get(), desk.decoded[1].get()}, [&](std::string_view form) {
    database.scan(form, desk.scratch.get(), note, &scan);
    return finding.denied();
  });
}

void Inspection::scan_fields(size_t worker, Message message, std::string_view lines, Finding& finding) const {
  Desk& desk = *desks_[worker];
  Scan scan{*this, desk, finding};
  of(message, Part::header).scan(lines, desk.scratch.get(), note, &scan);
}

std::optional<Inspection::Body> Inspection::open_body(size_t worker, Message message, bool is_form) const {
  Desk& desk = *desks_[worker];
  SignatureStreams& streams = desk.streams[static_cast<size_t>(message)];
  Body body;
  body.message = message;
  body.raw = streams.take(desk.scratch.get());
  body.left = body_bytes_;
  if (body.raw == SignatureStreams::kNone) {
    return std::nullopt;
  }
  if (is_form) {
    body.decoded = streams.take(desk.scratch.get());
    if (body.decoded == SignatureStreams::kNone) {
      streams.give_back(body.raw);
      return std::nullopt;
    }
  }
  desk.bodies.store(desk.bodies.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return body;
}

bool Inspection::scan_body(size_t worker, Body& body, std::string_view bytes, Finding& finding) const {
  Desk& desk = *desks_[worker];
  SignatureStreams& streams = desk.streams[static_cast<size_t>(body.message)];
  Scan scan{*this, desk, finding, true};
  const bool is_all = bytes.size() <= body.left;
  bytes = bytes.substr(0, body.left);
  body.left -= bytes.size();
  if (!bytes.empty()) {
    streams.scan(body.raw, bytes, desk.scratch.get(), note, &scan);
  }
  for (; body.decoded != SignatureStreams::kNone && !bytes.empty() && !finding.denied();
       bytes.remove_prefix(std::min(bytes.size(), kDecodedAtOnce))) {
    char* const into = desk.decoded[0].get();
    const size_t length = body.decoder.decode(bytes.substr(0, kDecodedAtOnce), into);
    if (length > 0) {
      streams.scan(body.decoded, {into, length}, desk.scratch.get(), note, &scan);
    }
  }
  return is_all;
}

void Inspection::close_body(size_t worker, const Body& body) const {
  Desk& desk = *desks_[worker];
  SignatureStreams& streams = desk.streams[static_cast<size_t>(body.message)];
  for (const uint32_t stream : {body.raw, body.decoded}) {
    if (stream != SignatureStreams::kNone) {
      streams.give_back(stream);
    }
  }
  desk.bodies.store(desk.bodies.load(std::memory_order_relaxed) - 1, std::memory_order_release);
}

bool Inspection::in_use() const {
  return std::any_of(desks_.begin(), desks_.end(),
                     [](const auto& desk) { return desk->bodies.load(std::memory_order_acquire) > 0; });
}

uint32_t Inspection::streams(Message message) const {
  return desks_.empty() ? 0 : desks_[0]->streams[static_cast<size_t>(message)].capacity();
}

size_t Inspection::memory_bytes() const {
  size_t bytes = sizeof *this;
  for (const SignatureDatabase& database : databases_) {
    bytes += database.memory_bytes();
  }
  for (const Numbered& each : numbered_) {
    bytes += sizeof each + sizeof(Signature) + each.signature->text.capacity() + each.name.capacity();
  }
  const auto stream_bytes_of = [&](Message message) { return streams(message) * stream_bytes(message); };
  bytes += desks_.size() * (sizeof(Desk) + 2 * kLongestDecoded + numbered_.size() * 16 +
                            stream_bytes_of(Message::request) + stream_bytes_of(Message::response));
  for (const auto& desk : desks_) {
    bytes += Expressions::scratch_bytes(desk->scratch);
  }
  return bytes;
}

}  // namespace weft::lb
