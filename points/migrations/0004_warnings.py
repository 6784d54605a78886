"""What customers were warned of, append-only: a warning that was sent is not taken back (D7)."""

import django.db.models.deletion
from django.db import migrations, models

from supportdesk.roles import append_only


class Migration(migrations.Migration):

    dependencies = [
        ('people', '0001_initial'),
        ('points', '0003_credits'),
    ]

    operations = [
        migrations.CreateModel(
            name='ExpiryWarning',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('days', models.PositiveSmallIntegerField(verbose_name='days before')),
                ('warned_at', models.DateTimeField(verbose_name='warned')),
                ('lot', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='warnings', to='points.lot')),
            ],
            options={
                'verbose_name': 'expiry warning',
                'verbose_name_plural': 'expiry warnings',
                'ordering': ['-warned_at', '-id'],
                'constraints': [models.UniqueConstraint(fields=('lot', 'days'), name='expiry_warned_once')],
            },
        ),
        migrations.CreateModel(
            name='LowBalance',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('fell_at', models.DateTimeField(verbose_name='fell')),
                ('on_hand', models.PositiveIntegerField(verbose_name='left')),
                ('warned_at', models.DateTimeField(verbose_name='warned')),
                ('charge', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='low_balance', to='points.charge')),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='low_balances', to='people.customer')),
            ],
            options={
                'verbose_name': 'low balance',
                'verbose_name_plural': 'low balances',
                'ordering': ['-fell_at', '-id'],
                'indexes': [models.Index(fields=['customer', '-fell_at'], name='low_balance_latest')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('charge', None)), fields=('customer', 'fell_at'), name='low_balance_by_expiry_once')],
            },
        ),
        *(migrations.RunSQL(*append_only(table)) for table in ("points_expirywarning", "points_lowbalance")),
    ]
