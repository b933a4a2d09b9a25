"""The clients' methods about campaigns, benefits and referrals."""

from __future__ import annotations

from khata.edge.client import benefit_calls
from khata.edge.client.methods import asynchronous, each, each_asynchronous, sync


class BenefitMethods:
    """For `Client`."""

    create_campaign = sync(benefit_calls.create_campaign)
    change_campaign_budget = sync(benefit_calls.change_campaign_budget)
    extend_campaign = sync(benefit_calls.extend_campaign)
    pause_campaign = sync(benefit_calls.pause_campaign)
    resume_campaign = sync(benefit_calls.resume_campaign)
    end_campaign = sync(benefit_calls.end_campaign)
    campaign = sync(benefit_calls.campaign)
    campaigns = sync(benefit_calls.campaigns)
    benefit_uses = sync(benefit_calls.benefit_uses)
    preview_benefits = sync(benefit_calls.preview_benefits)
    set_benefit_policy = sync(benefit_calls.set_benefit_policy)
    benefit_policy = sync(benefit_calls.benefit_policy)
    refer = sync(benefit_calls.refer)
    cancel_referral = sync(benefit_calls.cancel_referral)
    referral = sync(benefit_calls.referral)
    referrals = sync(benefit_calls.referrals)
    referral_liability = sync(benefit_calls.referral_liability)
    confirm_kyc = sync(benefit_calls.confirm_kyc)
    kyc = sync(benefit_calls.kyc)
    pay_bonuses = sync(benefit_calls.pay_bonuses)
    each_campaigns = each(benefit_calls.campaigns)
    each_benefit_uses = each(benefit_calls.benefit_uses)
    each_referrals = each(benefit_calls.referrals)


class AsyncBenefitMethods:
    """For `AsyncClient`."""

    create_campaign = asynchronous(benefit_calls.create_campaign)
    change_campaign_budget = asynchronous(benefit_calls.change_campaign_budget)
    extend_campaign = asynchronous(benefit_calls.extend_campaign)
    pause_campaign = asynchronous(benefit_calls.pause_campaign)
    resume_campaign = asynchronous(benefit_calls.resume_campaign)
    end_campaign = asynchronous(benefit_calls.end_campaign)
    campaign = asynchronous(benefit_calls.campaign)
    campaigns = asynchronous(benefit_calls.campaigns)
    benefit_uses = asynchronous(benefit_calls.benefit_uses)
    preview_benefits = asynchronous(benefit_calls.preview_benefits)
    set_benefit_policy = asynchronous(benefit_calls.set_benefit_policy)
    benefit_policy = asynchronous(benefit_calls.benefit_policy)
    refer = asynchronous(benefit_calls.refer)
    cancel_referral = asynchronous(benefit_calls.cancel_referral)
    referral = asynchronous(benefit_calls.referral)
    referrals = asynchronous(benefit_calls.referrals)
    referral_liability = asynchronous(benefit_calls.referral_liability)
    confirm_kyc = asynchronous(benefit_calls.confirm_kyc)
    kyc = asynchronous(benefit_calls.kyc)
    pay_bonuses = asynchronous(benefit_calls.pay_bonuses)
    each_campaigns = each_asynchronous(benefit_calls.campaigns)
    each_benefit_uses = each_asynchronous(benefit_calls.benefit_uses)
    each_referrals = each_asynchronous(benefit_calls.referrals)
