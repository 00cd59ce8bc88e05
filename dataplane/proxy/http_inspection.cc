// SPDX-License-Identifier: Apache-2.0
/// @file Policies of inspection: heads are looked into as they are read, bodies before they are moved on. By those of
/// the service that the request came to, and of the one that it goes to, if they are others.
#include <algorithm>
#include <utility>

#include "lb/bytes.h"
#include "proxy/http_proxy.h"

namespace weft::proxy {
namespace {

using lb::Inspection;
using lb::Signature;
using Message = Signature::Message;

/// Any of several says so: who reads the body may go by any.
bool is_form(const http::Fields& fields) {
  constexpr std::string_view kForm = "application/x-www-form-urlencoded";
  const auto all = fields.all();
  return std::any_of(all.begin(), all.end(), [&](const lb::HttpField& field) {
    return lb::same_name(field.name, "content-type") && lb::same_name(field.value.substr(0, kForm.size()), kForm);
  });
}

/// Does a list of codings name another one than "identity"?
bool names_coding(std::string_view list) {
  constexpr std::string_view kBlank = " \t";
  while (!list.empty()) {
    std::string_view coding = list.substr(0, list.find(','));
    list.remove_prefix(std::min(coding.size() + 1, list.size()));
    coding.remove_prefix(std::min(coding.find_first_not_of(kBlank), coding.size()));
    coding = coding.substr(0, coding.find_last_not_of(kBlank) + 1);
    if (!coding.empty() && !lb::same_name(coding, "identity")) {
      return true;
    }
  }
  return false;
}

bool is_coded(const http::Fields& fields) {
  const auto all = fields.all();
  return std::any_of(all.begin(), all.end(), [](const lb::HttpField& field) {
    return lb::same_name(field.name, "content-encoding") && names_coding(field.value);
  });
}

}  // namespace

/// Of a request as it came. Precondition: request_ is the exchange's, and the service has policies of inspection.
/// @returns false: it was answered
bool HttpProxy::inspect_request(uint32_t number, const lb::Service& service) {
  exchanges_[number].is_inspected = true;
  return inspect_head(number, *service.inspection) && inspect_body_from_its_start(number, *service.inspection);
}

bool HttpProxy::inspect_head(uint32_t number, const Inspection& inspection) {
  ++books_.inspected;
  inspection.begin(config_.worker);
  lb::Finding finding;
  if (inspection.has(Message::request, Signature::Part::target)) {
    inspection.scan_target(config_.worker, request_.target, finding);
  }
  if (inspection.has(Message::request, Signature::Part::header) && !finding.denied()) {
    inspection.scan_fields(config_.worker, Message::request, lines_of(request_.fields), finding);
  }
  return take_finding(number, inspection, Message::request, finding);
}

/// What of a request's body has gone to another endpoint is kept while another attempt may be made.
bool HttpProxy::inspect_body_from_its_start(uint32_t number, const Inspection& inspection) {
  Exchange& x = exchanges_[number];
  const uint64_t moved = x.request_body.moved();
  if (!inspection.has(Message::request, Signature::Part::body) || (x.request_body.done() && moved == 0)) {
    return true;
  }
  if (moved > 0 && !x.kept.is_whole) {
    return take_unseen(number, inspection, Message::request, "a part of its body can't be inspected any more");
  }
  const uint32_t others = x.seen_request;
  if (!begin_seeing(number, inspection, Message::request, request_.body, request_.fields)) {
    return false;
  }
  if (x.seen_request != others && moved > 0) {
    InspectedBody& seen = seen_[x.seen_request];
    InspectedBody::State state = InspectedBody::State::more;
    lb::Finding finding;
    for (uint32_t i = x.kept.first; i != KeptBody::kNone && state == InspectedBody::State::more; i = kept_.after(i)) {
      state = seen.look(config_.worker, text_of(kept_[i]), finding);
    }
    if (!take_look(number, x.seen_request, Message::request, state, finding)) {
      return false;
    }
  }
  return inspect_body(number, Message::request);
}

/// A route leads to a service with other policies, in this attempt.
bool HttpProxy::inspect_for_backend(uint32_t number, const lb::Service& service) {
  Exchange& x = exchanges_[number];
  return !x.inspected_backends.add(service.slot) || inspect_request(number, service);
}

/// Precondition: response_ is the exchange's; nothing of it has gone on. @returns false: the exchange is over
bool HttpProxy::inspect_response(uint32_t number, const http::Framing& body) {
  Exchange& x = exchanges_[number];
  const Inspection* last = nullptr;
  for (const uint32_t slot : {x.listener_slot, x.backend_slot}) {
    const lb::Service* const service = turn_.snapshot->service_at(slot);
    const Inspection* const inspection = service == nullptr ? nullptr : service->inspection.get();
    if (inspection == nullptr || inspection == last) {
      continue;
    }
    last = inspection;
    ++books_.inspected;
    inspection->begin(config_.worker);
    lb::Finding finding;
    if (inspection->has(Message::response, Signature::Part::header)) {
      inspection->scan_fields(config_.worker, Message::response, lines_of(response_.fields), finding);
    }
    if (!take_finding(number, *inspection, Message::response, finding)) {
      return false;
    }
    const bool has_body =
        body.kind != http::Framing::Kind::none && (body.kind != http::Framing::Kind::length || body.length > 0);
    if (has_body && inspection->has(Message::response, Signature::Part::body) &&
        !begin_seeing(number, *inspection, Message::response, body, response_.fields)) {
      return false;
    }
  }
  return x.seen_response == kNobody || inspect_body(number, Message::response);
}

/// @returns false: the exchange is over, as it can't be looked into
bool HttpProxy::begin_seeing(uint32_t number, const Inspection& inspection, Message message, const http::Framing& body,
                             const http::Fields& fields) {
  Exchange& x = exchanges_[number];
  if (is_coded(fields)) {
    return take_unseen(number, inspection, message, "its body is coded and can't be inspected");
  }
  if (inspection.denies_unseen(message) && body.kind == http::Framing::Kind::length &&
      body.length > inspection.body_bytes()) {
    return take_unseen(number, inspection, message, "its body is too long to be inspected");
  }
  const uint32_t taken = seen_.take();
  const auto opened =
      taken == InspectedBodies::kNone ? std::nullopt : inspection.open_body(config_.worker, message, is_form(fields));
  if (!opened) {
    if (taken != InspectedBodies::kNone) {
      seen_.give_back(taken);
    }
    if (inspection.enforces(message)) {  // or whoever holds enough bodies open would switch it off for everybody
      ++books_.inspections_full;
      fail(number, {503, response_flag::upstream_overflow, "too many bodies are inspected at a time"});
      return false;
    }
    return take_unseen(number, inspection, message, "too many bodies are inspected at a time");
  }
  InspectedBody& seen = seen_[taken];
  seen.inspection = &inspection;
  seen.body = *opened;
  seen.kind = body.kind;
  seen.left = body.length;
  uint32_t& first = message == Message::request ? x.seen_request : x.seen_response;
  seen.next = first;
  first = taken;
  return true;
}

/// All that has come of a body and was not looked at yet. @returns false: the exchange is over
bool HttpProxy::inspect_body(uint32_t number, Message message) {
  Exchange& x = exchanges_[number];
  const bool is_request = message == Message::request;
  if (is_request ? x.client == kNobody : x.upstream == kNobody) {
    return true;
  }
  const tcp::ConnectionId from = is_request ? clients_[x.client].id : upstreams_[x.upstream].id;
  const uint64_t moved = (is_request ? x.request_body : x.response_body).moved();
  const uint64_t come = moved + engine_.readable(from);
  for (uint32_t* at = is_request ? &x.seen_request : &x.seen_response; *at != kNobody;) {
    InspectedBody& seen = seen_[*at];
    InspectedBody::State state = InspectedBody::State::more;
    lb::Finding finding;
    if (seen.seen < come) {
      engine_.look_through(from, seen.seen - moved, [&](std::string_view bytes) {
        state = seen.look(config_.worker, bytes, finding);
        return state == InspectedBody::State::more;
      });
    }
    const uint32_t looked_at = *at;
    if (!take_look(number, *at, message, state, finding)) {
      return false;
    }
    at = *at == looked_at ? &seen.next : at;
  }
  return true;
}

/// One body was looked into: if nothing more is wanted of it, it leaves its list. @returns false: the exchange is over
bool HttpProxy::take_look(uint32_t number, uint32_t& at, Message message, InspectedBody::State state,
                          const lb::Finding& finding) {
  InspectedBody& seen = seen_[at];
  const Inspection& inspection = *seen.inspection;
  if (!take_finding(number, inspection, message, finding)) {
    return false;
  }
  if (state == InspectedBody::State::more) {
    return true;
  }
  if ((state == InspectedBody::State::blind &&
       !take_unseen(number, inspection, message, "its body is too long to be inspected")) ||
      (state == InspectedBody::State::trailed &&
       !take_unseen(number, inspection, message, "it has trailers, which can't be inspected"))) {
    return false;
  }
  inspection.close_body(config_.worker, seen.body);
  seen_.give_back(std::exchange(at, seen.next));
  return true;
}

bool HttpProxy::take_finding(uint32_t number, const Inspection& inspection, Message message,
                             const lb::Finding& finding) {
  if (finding.found == 0) [[likely]] {
    return true;
  }
  if (finding.denied()) {
    deny(number, message, inspection.name(finding.denied_by),
         message == Message::request ? "the request is denied by inspection" : "the response is denied by inspection");
    return false;
  }
  books_.signatures_noted += finding.found;
  const uint32_t noted = finding.would_deny != lb::Finding::kNone ? finding.would_deny : finding.logged;
  if (Exchange& x = exchanges_[number]; noted != lb::Finding::kNone && x.signature.length == 0) {
    x.signature.set_end_of(inspection.name(noted));
  }
  return true;
}

/// @returns false: its policy wants to see all
bool HttpProxy::take_unseen(uint32_t number, const Inspection& inspection, Message message, std::string_view why) {
  if (!inspection.denies_unseen(message)) {
    ++books_.not_seen;
    return true;
  }
  deny(number, message, inspection.unseen_policy(message), why);
  return false;
}

/// The request's connection is to be a tunnel, and what is still to come of its body goes through as it is.
/// @returns false: the exchange is over
bool HttpProxy::leave_unseen(uint32_t number) {
  Exchange& x = exchanges_[number];
  for (uint32_t at = x.seen_request; at != kNobody; at = seen_[at].next) {
    if (!take_unseen(number, *seen_[at].inspection, Message::request, "the rest of its body can't be inspected")) {
      return false;
    }
  }
  stop_seeing(x.seen_request);
  return true;
}

/// The endpoint's connection ends with the exchange: it may have got a part of the request, or have more to say.
void HttpProxy::deny(uint32_t number, Message message, std::string_view name, std::string_view why) {
  exchanges_[number].signature.set_end_of(name);
  const bool is_request = message == Message::request;
  ++(is_request ? books_.denied_requests : books_.denied_responses);
  fail(number, {static_cast<uint16_t>(is_request ? 403 : 502), response_flag::denied_by_signature, why});
}

void HttpProxy::stop_seeing(uint32_t& seen) {
  while (seen != kNobody) {
    const InspectedBody& body = seen_[seen];
    body.inspection->close_body(config_.worker, body.body);
    seen_.give_back(seen);
    seen = body.next;
  }
}

}  // namespace weft::proxy
